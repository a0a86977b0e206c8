/** The dashboard's words in English. Korean has the same ones (`ko.ts`); a word that it lacks does not compile. */
export const en = {
  language: "English",
  brand: "MCPHub",
  nav: {
    label: "Pages",
    now: "Now",
    sessions: "Sessions",
    requests: "Requests",
    audit: "Audit",
    servers: "Servers",
    people: "People",
    me: "Me",
    connect: "Connect"
  },
  common: {
    signOut: "Sign out",
    signedInAs: (name: string) => `Signed in as ${name}`,
    loading: "Loading…",
    none: "Nothing here yet.",
    more: "Show more",
    cancel: "Cancel",
    close: "Close",
    save: "Save",
    add: "Add",
    remove: "Remove",
    edit: "Edit",
    yes: "Yes",
    no: "No",
    on: "On",
    off: "Off",
    all: "All",
    search: "Search",
    name: "Name",
    state: "State",
    actions: "Actions",
    created: "Created",
    never: "Never",
    copy: "Copy",
    copied: "Copied",
    skip: "Skip to the content",
    theme: "Colours",
    themes: { auto: "As the system", light: "Light", dark: "Dark" },
    languageLabel: "Language"
  },
  problem: {
    missing: "Not available: this hub does not offer it.",
    offline: "The hub does not answer. The page asks again by itself.",
    forbidden: "You may not do that.",
    stale: "Somebody else has changed it in the meantime. Close this and look at it again before you change it.",
    wait: (seconds: number) => `Try again in ${seconds} s.`,
    reload: "Try again"
  },
  signIn: {
    title: "Sign in",
    username: "User name",
    password: "Password",
    submit: "Sign in",
    wrong: "User name or password is wrong.",
    with: (provider: string) => `Continue with ${provider}`,
    noWays: "This hub has no sign-in. Its operator can print a link that signs you in: mcphub user signin-link NAME",
    link: "No password? The operator of this hub prints a link that signs you in: mcphub user signin-link NAME",
    ended: "Your sign-in has ended."
  }
}

export type Words = typeof en
