export { planTrainingJob } from "./plan";
export { TrainingJob, type TrainingJobArgs } from "./training-job";
export { trainingFindings } from "./zero";
