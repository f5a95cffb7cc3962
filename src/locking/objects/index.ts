export { objectLockStore } from './store.ts'
