/** From candidates to probe sites: one candidate is a site, none or several are a refusal that says why. */
import type { ElfImage } from './image.js';
import type { KernelVersion } from './probe-cost.js';
import { probePlace } from './probe-place.js';
import type { SiteRole, TlsAbi, TlsSite } from './tls-finding.js';

/** A function that could play a role. */
export interface Candidate {
  start: number;
}

export interface RoleCandidates<C extends Candidate = Candidate> {
  role: SiteRole;
  abi: TlsAbi;
  function: string;
  candidates: readonly C[];
  /** Why a candidate is the right one when it is the only one, as a sentence. */
  evidence: string;
  /** Its absence is not worth a word. */
  optional?: boolean;
}

export interface RoleSites<C> {
  sites: TlsSite[];
  refused: string[];
  /** The function that each role fell to. */
  places: Map<SiteRole, C>;
}

/** Names of roles in refusals: where candidates lie, when there are not too many to say. */
const MOST_NAMED = 4;

export function sitesOf<C extends Candidate>(image: ElfImage, kernel: KernelVersion, roles: readonly RoleCandidates<C>[]): RoleSites<C> {
  const sites: TlsSite[] = [];
  const refused: string[] = [];
  const places = new Map<SiteRole, C>();
  const taken = new Map<number, number>();
  for (const { candidates, optional } of roles) {
    const [only] = candidates;
    if (optional !== true && only !== undefined && candidates.length === 1) taken.set(only.start, (taken.get(only.start) ?? 0) + 1);
  }
  for (const { role, abi, function: name, candidates, evidence, optional } of roles) {
    const [only] = candidates;
    if (candidates.length !== 1 || only === undefined) {
      if (optional !== true)
        refused.push(
          `${role}: ${candidates.length === 0 ? 'no function' : `${candidates.length} functions`} could be ${name}${named(candidates)}`,
        );
    } else if ((taken.get(only.start) ?? 0) > (optional === true ? 0 : 1)) {
      if (optional !== true) refused.push(`${role}: the function that could be ${name} could have another role too`);
    } else {
      const place = probePlace(image, kernel, only.start);
      if (place === undefined || place.cost === 'refused') {
        refused.push(`${role}: the kernel refuses a probe on ${name}`);
        continue;
      }
      places.set(role, only);
      sites.push({ role, abi, function: name, ...place, evidence: [evidence, ...place.evidence] });
    }
  }
  return { sites, refused, places };
}

function named(candidates: readonly Candidate[]): string {
  if (candidates.length === 0 || candidates.length > MOST_NAMED) return '';
  return ` (at ${candidates.map(({ start }) => `0x${start.toString(16)}`).join(', ')})`;
}
