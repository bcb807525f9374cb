/** A command in a cgroup of its own, under the egress guard, without privileges: when it ends, nothing of it is left. */
import type { StoppedCommand } from '../../bpf/index.js';
import type { Outlet } from '../../stream/source.js';
import { startStopped } from '../command.js';
import { type EnforceOptions, EnforceSensor } from '../enforce/sensor.js';
import type { TaskSnapshot } from '../scope-tables.js';
import { endCgroup, enterCgroup, makeCgroup } from './cgroup.js';

export class ConfineSensor extends EnforceSensor {
  readonly #cgroup: string;

  private constructor(options: EnforceOptions, cgroup: string) {
    super({ ...options, cgroups: [cgroup] });
    this.#cgroup = cgroup;
  }

  /** Makes the cgroup. @throws CommandError */
  static async make(options: EnforceOptions): Promise<ConfineSensor> {
    const cgroup = makeCgroup();
    try {
      return new ConfineSensor(options, cgroup);
    } catch (error) {
      await endCgroup(cgroup);
      throw error;
    }
  }

  protected override startCommand(command: readonly string[]): StoppedCommand {
    const started = startStopped(command, { ownStdout: true, confine: true });
    enterCgroup(this.#cgroup, started.pid);
    return started;
  }

  /** The command's own words come first. */
  protected override introduce(tasks: readonly TaskSnapshot[]): void {
    if (this.verbose) super.introduce(tasks);
    else this.giveUpCapabilities();
  }

  override async run(outlet: Outlet): Promise<number> {
    try {
      return await super.run(outlet);
    } finally {
      if (!(await endCgroup(this.#cgroup))) this.say(`${this.#cgroup} could not be taken away: tracer-run --gc does it later`);
    }
  }
}
