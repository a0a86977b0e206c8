/** The dashboard's words in Korean. */
import type { Words } from "./en.ts"

export const ko: Words = {
  language: "한국어",
  brand: "MCPHub",
  nav: {
    label: "페이지",
    now: "현황",
    sessions: "세션",
    requests: "요청",
    audit: "감사 기록",
    servers: "서버",
    people: "사용자",
    me: "내 정보",
    connect: "연결"
  },
  common: {
    signOut: "로그아웃",
    signedInAs: (name) => `${name} 님으로 로그인됨`,
    loading: "불러오는 중…",
    none: "아직 아무것도 없습니다.",
    more: "더 보기",
    cancel: "취소",
    close: "닫기",
    save: "저장",
    add: "추가",
    remove: "삭제",
    edit: "편집",
    yes: "예",
    no: "아니요",
    on: "켜짐",
    off: "꺼짐",
    all: "전체",
    search: "검색",
    name: "이름",
    state: "상태",
    actions: "작업",
    created: "생성",
    never: "없음",
    copy: "복사",
    copied: "복사됨",
    skip: "본문으로 건너뛰기",
    theme: "색상",
    themes: { auto: "시스템 설정", light: "밝게", dark: "어둡게" },
    languageLabel: "언어"
  },
  problem: {
    missing: "사용할 수 없습니다. 이 허브는 이 기능을 제공하지 않습니다.",
    offline: "허브가 응답하지 않습니다. 페이지가 자동으로 다시 시도합니다.",
    forbidden: "이 작업을 할 권한이 없습니다.",
    stale: "그 사이에 다른 사람이 변경했습니다. 닫고 다시 확인한 뒤 변경하세요.",
    wait: (seconds) => `${seconds}초 후에 다시 시도하세요.`,
    reload: "다시 시도"
  },
  signIn: {
    title: "로그인",
    username: "사용자 이름",
    password: "비밀번호",
    submit: "로그인",
    wrong: "사용자 이름 또는 비밀번호가 올바르지 않습니다.",
    with: (provider) => `${provider}(으)로 계속`,
    noWays: "이 허브에는 로그인 방법이 없습니다. 운영자가 로그인 링크를 만들 수 있습니다: mcphub user signin-link NAME",
    link: "비밀번호가 없나요? 허브 운영자가 로그인 링크를 만들어 줄 수 있습니다: mcphub user signin-link NAME",
    ended: "로그인이 만료되었습니다."
  }
}
