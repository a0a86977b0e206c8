/** The program that `sampleCommand` starts: the sample server on stdin and stdout, for both eras of the protocol. */
import { serveStdio } from "@modelcontextprotocol/server/stdio"
import process from "node:process"
import { sampleServer } from "./SampleServer.ts"

const notes = new Map<string, string>()
serveStdio(() => sampleServer({ env: process.env, pid: process.pid, notes }))
