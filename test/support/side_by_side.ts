/** Does the same with each of them at the same time: what waits need not wait in turn. */
export async function sideBySide<T>(
  each: readonly T[],
  work: (one: T, index: number) => Promise<void>,
): Promise<void> {
  await Promise.all(each.map(work));
}
