/** The sessions that the mock plays: who claims to type, and when somebody else takes over. */

export const SCENARIO = [
  { session: "shift-0412", subject: "aalto-100118", label: "Typist A", kind: "typist", change: 150 },
  { session: "shift-0413", subject: "aalto-100204", label: "Typist B", kind: "typist" },
  { session: "shift-0414", subject: "aalto-100377", label: "Typist C", kind: "typist" },
  { session: "desk-7", subject: "synthetic-07", label: "Synthetic typist 7", kind: "typist", change: 230 },
  { session: "desk-9", subject: "synthetic-09", label: "Synthetic typist 9", kind: "typist", learning: true },
  { session: "mouse-12", subject: "balabit-user12", label: "Pointer 12", kind: "pointer" },
  { session: "mouse-23", subject: "balabit-user23", label: "Pointer 23", kind: "pointer", change: 190 },
  { session: "shift-0418", subject: "aalto-100951", label: "Typist D", kind: "typist", shaky: true },
];
