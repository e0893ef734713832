/** The peers of the statistics and of the suites, pinned. pandas 3 breaks Evidently. */
import { peerPython } from './peers.ts'

const scientific = ['numpy==2.4.6', 'pandas==2.3.3', 'scipy==1.17.1', 'pyarrow==26.0.1']
export const statsPeer = (): Promise<string> =>
  peerPython([
    ...scientific,
    'scikit-learn==1.9.1',
    'evidently==0.7.23',
    'river==0.26.1',
    'fairlearn==0.15.0',
  ])
export const gxPeer = (): Promise<string> => peerPython([...scientific, 'great-expectations==1.24.1'])
