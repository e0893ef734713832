/** ONNX models by their files: loaded once, run in a thread of their own, loaded with the first model. */
export { type Onnx, openOnnx } from './sessions.ts'
