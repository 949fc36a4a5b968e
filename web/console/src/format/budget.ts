/** What thresholds cost, in words. */

/** "about one in 20 days" of 0.05 false step-ups a user and day. */
export function sayFalseStepUps(a_user_day: number | null): string {
  if (a_user_day === null) return "Not measured yet: it takes some days of trusted sessions.";
  if (a_user_day <= 0) return "None were seen.";
  if (a_user_day >= 1) return `About ${round(a_user_day)} a day for each user.`;
  return `About one in ${round(1 / a_user_day)} days for each user.`;
}

function round(value: number): string {
  return value < 10 ? String(Math.round(value * 10) / 10) : Math.round(value).toLocaleString("en-US");
}
