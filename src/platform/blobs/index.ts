/** Bytes by their SHA-256, whole or in ranges, verified before they leave; and trees of files. Knows no names. */
export { type Blobs, type ByteRange, type BlobRef, type BlobStat, openFileBlobs } from './files.ts'
export { checkoutTree, putTree, putTreeFiles, readTree, type Tree, type TreeFile } from './trees.ts'
