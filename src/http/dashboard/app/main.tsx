/** The dashboard in the browser: who is looking, and the page that the address names. */
import { render } from "preact"
import { App } from "./App.tsx"
import { lookAgain } from "./data/Viewer.ts"

render(<App />, document.getElementById("app")!)
void lookAgain()
