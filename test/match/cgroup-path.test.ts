import test from 'tape';
import { placeOf } from '../../lib/match/cgroup-path.js';

const ID = 'c0ffee0123456789'.repeat(4);
const UID = '0a1b2c3d-1111-2222-3333-0a1b2c3d4e5f';
const UNDERSCORED = UID.replaceAll('-', '_');

const CASES: [string, string, ReturnType<typeof placeOf>][] = [
  ['docker, systemd', `/system.slice/docker-${ID}.scope`, { container_id: ID, runtime: 'docker' }],
  ['docker, cgroupfs', `/docker/${ID}`, { container_id: ID, runtime: 'docker' }],
  ['docker, version 1', `12:memory:/docker/${ID}\n11:cpu,cpuacct:/docker/${ID}\n0::/`, { container_id: ID, runtime: 'docker' }],
  ['podman, systemd', `/machine.slice/libpod-${ID}.scope/container`, { container_id: ID, runtime: 'podman' }],
  ['podman, cgroupfs', `/libpod_parent/libpod-${ID}`, { container_id: ID, runtime: 'podman' }],
  [
    'podman of a user',
    `/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-${ID}.scope/container`,
    { container_id: ID, runtime: 'podman', unit: 'user@1000.service' },
  ],
  ['the monitor beside a podman container', `/machine.slice/libpod-conmon-${ID}.scope`, {}],
  [
    'containerd, kubelet, systemd',
    `/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${UNDERSCORED}.slice/cri-containerd-${ID}.scope`,
    { container_id: ID, runtime: 'containerd', pod_uid: UID },
  ],
  [
    'containerd, kubelet, colon form',
    `/system.slice/containerd.service/kubepods-besteffort-pod${UNDERSCORED}.slice:cri-containerd:${ID}`,
    { container_id: ID, runtime: 'containerd', pod_uid: UID, unit: 'containerd.service' },
  ],
  ['kubelet, cgroupfs', `/kubepods/burstable/pod${UID}/${ID}`, { container_id: ID, pod_uid: UID }],
  ['kubelet, guaranteed', `/kubepods/pod${UID}/${ID}`, { container_id: ID, pod_uid: UID }],
  [
    'cri-o, with kubelet below kubelet.slice',
    `/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod${UNDERSCORED}.slice/crio-${ID}.scope`,
    { container_id: ID, runtime: 'crio', pod_uid: UID },
  ],
  ['a static pod', `/kubepods/pod${'ab12'.repeat(8)}/${ID}`, { container_id: ID, pod_uid: 'ab12'.repeat(8) }],
  ['a container in a container', `/docker/${'1'.repeat(64)}/docker/${ID}`, { container_id: ID, runtime: 'docker' }],
  ['seen from another cgroup namespace', `/../../docker-${ID}.scope`, { container_id: ID, runtime: 'docker' }],
  ['ECS', `/ecs/${'a1'.repeat(16)}/${'a1'.repeat(16)}-1234567890`, { container_id: `${'a1'.repeat(16)}-1234567890`, runtime: 'ecs' }],
  ['nspawn', '/machine.slice/machine-my\\x2dbox.scope', { container_id: 'my-box', runtime: 'nspawn' }],
  ['a service', '/system.slice/ssh.service', { unit: 'ssh.service' }],
  ['a session', '/user.slice/user-1000.slice/session-3.scope', { unit: 'session-3.scope' }],
  ['nobody', '/', {}],
  ['a hash that is too short', `/docker/${'a'.repeat(63)}`, {}],
];

for (const [title, path, place] of CASES) {
  test(`cgroup-path: ${title}`, (t) => {
    t.deepEqual(placeOf(path), place);
    t.end();
  });
}

test('cgroup-path: a path made to be slow is not', (t) => {
  t.deepEqual(placeOf(`/${'pod'.repeat(1_000_000)}`), {});
  t.deepEqual(placeOf('\n/a-pod'.repeat(1_000_000)), {});
  t.end();
});
