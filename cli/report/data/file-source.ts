/** Names a key of the environment's file as a source. */
export type FileSource = (key: string) => string;

export function fileSource(environment: string): FileSource {
  return (key) => `${key} in stacks/Pulumi.${environment}.yaml`;
}
