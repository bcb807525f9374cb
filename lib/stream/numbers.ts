/** Numbers as JSON.stringify prints them, faster. */

/** A whole number of thousandths: as JSON prints their number. */
export function thousandths(n: number): string {
  if (!(n >= 0)) return String(n / 1000);
  const whole = Math.floor(n / 1000);
  const rest = n - whole * 1000;
  if (rest === 0) return String(whole);
  if (rest % 100 === 0) return `${whole}.${rest / 100}`;
  if (rest % 10 === 0) return `${whole}.${rest < 100 ? '0' : ''}${rest / 10}`;
  return `${whole}.${rest < 10 ? '00' : rest < 100 ? '0' : ''}${rest}`;
}
