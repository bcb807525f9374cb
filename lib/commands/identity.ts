/** `tracer-identity`: says for whom a process works, and where. */
import { identity } from '../analyzers/identity.js';
import { AgentTable, MOST_AGENTS, readAgentLine } from '../match/agents.js';
import type { AnalyzerCommand, Options } from '../stream/command.js';
import { readTableFile } from './table-file.js';

export const command: AnalyzerCommand = {
  kind: 'analyzer',
  name: 'identity',
  summary: 'name the agent, container, pod and unit that an event is of',
  description:
    'Adds identity to the end of each line of a process that is known: agent and agent_pid (by the program, its main file or package; what it starts inherits it), session (from the environment), container_id, runtime, pod_uid and unit (from the path of the cgroup). It learns from process_info, process_exec and process_fork, and reads nothing but the stream. An agent that no table knows is named by the main file of the script that is the oldest of its tree.',
  options: [
    {
      flags: '--agents <file>',
      type: 'string',
      completes: 'file',
      description:
        'Lines of "agent name|path|package|env pattern" that come before the built-in table: name of the executable or main file, whole path, npm or Python package, a variable of its tools; * stands for anything. - as the agent means none.',
      changesOutput: true,
    },
  ],
  examples: [
    {
      run: `tracer-replay day.ndjson | tracer-http | tracer-identity | jq -r 'select(.event_type=="http_request") | .identity.agent // "unknown"' | sort | uniq -c`,
      shows: 'how many requests each agent made',
    },
  ],
  stage: (options) => identity(tableOf(options)),
};

/** @throws CommandError with file and line */
function tableOf(options: Options): AgentTable {
  const file = options.agents;
  if (typeof file !== 'string') return new AgentTable();
  return new AgentTable(
    readTableFile(file, { of: 'agents', most: MOST_AGENTS, readLine: readAgentLine, example: 'my-agent name my_agent' }),
  );
}
