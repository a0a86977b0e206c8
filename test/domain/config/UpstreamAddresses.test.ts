import { assert, describe, it } from "@effect/vitest"
import { isOwnHost, kindOf, mayReach, networksFromText } from "../../../src/domain/config/UpstreamAddresses.ts"

describe("UpstreamAddresses", () => {
  it("A13: tells public addresses, the operator's own, and those nobody may reach apart, in every notation", () => {
    const expected = {
      public: ["1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"],
      own: [
        "127.0.0.1",
        "127.8.9.10",
        "0.0.0.0",
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "100.64.0.1",
        "::1",
        "::",
        "fd12:3456::1",
        "::ffff:127.0.0.1",
        "::ffff:7f00:1",
        "64:ff9b::a00:1",
        "2002:7f00:1::1"
      ],
      never: [
        "169.254.169.254",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "fe80::1",
        "fe80::1%eth0",
        "fd00:ec2::254",
        "100.100.100.200",
        "224.0.0.1",
        "255.255.255.255",
        "ff02::1",
        "no address"
      ]
    }
    for (const [kind, addresses] of Object.entries(expected)) {
      for (const address of addresses) assert.strictEqual(kindOf(address), kind, address)
    }
  })

  it("A65: an IPv4 address is the same in every IPv6 address that leads to it, and no translator of the operator's is public", () => {
    const expected = {
      public: ["::8.8.8.8", "::ffff:0:8.8.8.8"],
      own: ["::127.0.0.1", "::10.0.0.1", "::ffff:0:127.0.0.1", "::ffff:0:a00:1"],
      never: ["::169.254.169.254", "::ffff:0:169.254.169.254", "64:ff9b:1::a00:1", "64:ff9b:1:a9fe:a9:fe00::"]
    }
    for (const [kind, addresses] of Object.entries(expected)) {
      for (const address of addresses) assert.strictEqual(kindOf(address), kind, address)
    }
    assert.isTrue(mayReach("mcp.example.com", "::1", networksFromText("::1")!))
    assert.isTrue(mayReach("mcp.example.com", "64:ff9b:1::a00:1", networksFromText("64:ff9b:1::/48")!))
    assert.isFalse(mayReach("mcp.example.com", "::127.0.0.1", networksFromText("::1")!))
  })

  it("A13: only a name that no public DNS can answer, or an address itself, leads to the operator's own addresses", () => {
    for (const host of ["localhost", "Files", "127.0.0.1", "[::1]", "mcp.internal", "api.localhost.", "nas.local"]) {
      assert.isTrue(isOwnHost(host), host)
      assert.isTrue(mayReach(host, "127.0.0.1", []), host)
      assert.isFalse(mayReach(host, "169.254.169.254", []), host)
    }
    for (const host of ["mcp.example.com", "localhost.example.com", "internal.example", "127.0.0.1.nip.io"]) {
      assert.isFalse(isOwnHost(host), host)
      assert.isFalse(mayReach(host, "127.0.0.1", []), host)
      assert.isTrue(mayReach(host, "1.1.1.1", []), host)
    }
  })

  it("A13: networks that are allowed lift the restriction for themselves and for nothing else", () => {
    const allowed = networksFromText("10.1.0.0/16, 169.254.7.7, fd12::/16")!
    for (const address of ["10.1.2.3", "169.254.7.7", "fd12::9", "::ffff:10.1.2.3"]) {
      assert.isTrue(mayReach("mcp.example.com", address, allowed), address)
    }
    for (const address of ["10.2.0.1", "169.254.7.8", "fd13::9", "127.0.0.1"]) {
      assert.isFalse(mayReach("mcp.example.com", address, allowed), address)
    }
    assert.deepStrictEqual(networksFromText(""), [])
    for (const text of ["10.0.0.0/33", "10.0.0.1/8", "example.com"]) assert.isUndefined(networksFromText(text), text)
  })
})
