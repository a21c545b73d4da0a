export { schedulePoint, setScheduler, type Scheduler } from './schedule-point.js';
