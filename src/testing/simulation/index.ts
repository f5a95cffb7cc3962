export { EVERYTHING, HOLDERS, type Profile, profile, WRITERS } from './profiles.ts'
export { runSchedule, type ScheduleOptions, type ScheduleResult } from './run.ts'
export { FAIR } from './weather.ts'
