#!/usr/bin/env node
// What the programs of a name say over TLS and what they do, as one stream: sudo examples/agent.mjs python3 | tracer-show
import { AgentRunner } from 'tracer-filters';
import { httpParser } from 'tracer-filters/analyzers';

const [name = 'python3'] = process.argv.slice(2);
const agent = new AgentRunner({ ssl: true, process: { files: true }, net: true }).withCommFilter(name).addAnalyzer(httpParser());
process.once('SIGINT', () => agent.stop('SIGINT'));
agent.pipe(process.stdout);
