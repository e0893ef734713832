/** Names for what came without one. */
const wordsOf = (text: string) => text.split(' ')
const adjectives = wordsOf(
  'able bold calm clean deft eager fair glad keen kind loyal merry neat quick rare shy sweet tidy wise zany',
)
const animals = wordsOf(
  'ant bat cat crow deer dove elk finch fox goat hare ibis jay kite lark mole newt owl pike wren',
)
const oneOf = (words: readonly string[]) => words[Math.floor(Math.random() * words.length)]

export const inventedName = () =>
  `${oneOf(adjectives)}-${oneOf(animals)}-${Math.floor(Math.random() * 1_000)}`
