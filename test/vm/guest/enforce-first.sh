set -x
mkdir -p /sys/fs/cgroup/agent /tmp/p
uname -r
echo '127.0.0.2' > /tmp/p/deny
node bin/enforce --cgroup /sys/fs/cgroup/agent /tmp/p/deny > /tmp/out.ndjson 2> /tmp/err &
for i in $(seq 60); do grep -q "guards\|annot\|verifier" /tmp/err && break; sleep 1; done
cat /tmp/err | cut -c1-3000 | tail -60
sh -c 'echo $$ > /sys/fs/cgroup/agent/cgroup.procs; curl -sS -m 3 http://127.0.0.2:9/; curl -sS -m 3 http://127.0.0.1:9/'
curl -sS -m 3 http://127.0.0.2:9/
sleep 1
kill -INT %1
sleep 2
cat /tmp/err; cut -c1-600 /tmp/out.ndjson
