// Says times in the reader's own zone, and in UTC where the pointer rests; without JavaScript they
// stay in UTC, and say so.
const { lang } = document.documentElement;
const local = new Intl.DateTimeFormat(lang === "en" ? "en-GB" : lang, {
  day: "numeric",
  month: "long",
  year: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  timeZoneName: "short",
});
for (const time of document.querySelectorAll("time")) {
  time.textContent = local.format(new Date(time.dateTime)).replace(" at ", ", ");
}
