#!/usr/bin/env python3
"""The same controller in Python: what is reached besides the allowed hosts is forbidden from then on."""
import json, os, sys

file, allowed = sys.argv[1], sys.argv[2:]
denied = set(open(file).read().split()) if os.path.exists(file) else set()
for line in sys.stdin:
    event = json.loads(line)
    if event['event_type'] != 'tls_client_hello' or event['data'].get('sni') in allowed or 'peer' not in event['data']:
        continue
    address = event['data']['peer'].rsplit(':', 1)[0].strip('[]')
    if address not in denied:
        denied.add(address)
        with open(file + '.new', 'w') as new:
            new.write('\n'.join(sorted(denied)) + '\n')
        os.replace(file + '.new', file)
        print('deny', address, flush=True)
