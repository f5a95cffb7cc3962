export { FAIR, STORMY, type Weather } from './network.ts'
export { runSchedule, type ScheduleOptions, type ScheduleResult } from './run.ts'
