export { type DoctorReport, type ExamineParts, examine } from './examine.ts'
