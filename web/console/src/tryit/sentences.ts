/** What the visitor is asked to type. Written for this page; ordinary words, so that the rhythm is an ordinary one. */

export const SENTENCES: readonly string[] = [
  "The morning train was late again, so we walked along the river.",
  "Please send the final report before lunch, and copy the whole team.",
  "She keeps a small garden behind the house where nothing grows in rows.",
  "It takes about a week to get used to a new keyboard.",
  "Most of the meeting could have been a short message.",
  "The coffee machine on the third floor works, but only if you ask nicely.",
  "We found the old photographs in a box under the stairs.",
  "Nobody remembers who wrote that line, yet everyone is afraid to change it.",
  "Let us meet at half past nine, right after the weather clears.",
  "He plays the same four songs every evening and calls it practice.",
  "The library closes early on Friday, which is easy to forget.",
  "A quiet room and a good lamp are worth more than a fast computer.",
  "They painted the door green, then blue, and finally left it alone.",
  "Could you check whether the window in the back office is shut?",
  "Our neighbours have a dog that barks at bicycles and nothing else.",
  "I would rather read the long version than guess from the summary.",
];
