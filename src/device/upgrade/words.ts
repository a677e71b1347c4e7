import { formatBytes, formatMilliseconds } from '../../shared/text/format.ts';
import { rateWords } from '../transfer/words.ts';
import type { UpgradePart, UpgradePlan } from './plan.ts';

/** "38.4 kB instead of 76.1 MB: root.img as a difference, about 3.5 s at 10.9 kB/s". */
export function upgradeWords({ method, parts, bytes, wholeBytes, seconds, rate }: UpgradePlan): string {
  if (method === 'written') return 'nothing to send, all of it is in its slot';
  const named = (wanted: UpgradePart['method'], how: string) => {
    const names = parts.filter((part) => part.method === wanted).map(({ name }) => name);
    return names.length === 0 ? [] : [`${names.join(' and ')} ${how}`];
  };
  const ways =
    method === 'whole'
      ? ['the whole image']
      : [...named('difference', 'as a difference'), ...named('whole', 'whole'), ...named('there', 'not at all')];
  const instead = formatBytes(wholeBytes) === formatBytes(bytes) ? '' : ` instead of ${formatBytes(wholeBytes)}`;
  return `${formatBytes(bytes)}${instead}: ${ways.join(', ')}, about ${formatMilliseconds(seconds * 1000)} at ${rateWords(rate)}`;
}

/** What becomes of each file: "root.img: 38.4 kB of 63.1 MB". */
export function partWords({ name, method, bytes, wholeBytes, why }: UpgradePart): string {
  if (method === 'there') return `${name}: the device has it`;
  const reason = why === undefined ? '' : ` (whole: ${why})`;
  if (formatBytes(bytes) === formatBytes(wholeBytes)) return `${name}: ${formatBytes(bytes)}${reason}`;
  return `${name}: ${formatBytes(bytes)} of ${formatBytes(wholeBytes)}${reason}`;
}
