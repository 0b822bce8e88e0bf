#!/usr/bin/env bash
# Runs one Kubernetes node with its control plane, in namespaces and cgroups of its own. The folder DIR has the
# files that node.go wrote. The script ends when stdin is closed, so also when the test is killed, and removes
# all that it has created.
#
#   node.sh DIR BIN IMAGE-ARCHIVE...
set -euo pipefail

cgroups=() # all that were created

# keep starts the node and lives as long as it and stdin.
keep() {
	local dir=$1 path cgroup node pid=''
	trap 'clear_up "$1"' EXIT
	while IFS=: read -r _ cgroup path; do
		[[ $cgroup ]] || continue # version 2, which has no controllers where version 1 is in use
		cgroup=/sys/fs/cgroup/${cgroup#name=}$path/bosgc-node-$$
		mkdir "$cgroup"
		cgroups+=("$cgroup")
		if [[ -e $cgroup/cpuset.cpus ]]; then # a cpuset accepts no process until these are set
			cat "$cgroup/../cpuset.cpus" >"$cgroup/cpuset.cpus"
			cat "$cgroup/../cpuset.mems" >"$cgroup/cpuset.mems"
		fi
	done </proc/self/cgroup
	(
		trap - EXIT
		for cgroup in "${cgroups[@]}"; do echo "$BASHPID" >"$cgroup/cgroup.procs"; done
		exec setpriv --pdeathsig KILL unshare --mount --net --pid --fork --cgroup --ipc --uts --mount-proc \
			--propagation private --kill-child=KILL bash "$0" --inside "$@" </dev/null
	) &
	node=$!
	until [[ $pid ]]; do
		sleep 0.1
		pid=$(<"/proc/$node/task/$node/children")
	done
	echo "$pid" >"$dir/pid"
	cat <&0 >/dev/null &
	wait -n
}

clear_up() {
	local dir=$1
	set +e
	jobs -p | xargs -r kill -KILL 2>/dev/null
	wait
	for _ in {1..50}; do # the kernel takes a moment to remove all processes
		find "${cgroups[@]}" -depth -type d -exec rmdir {} + 2>/dev/null
		if rm -rf "$dir" 2>/dev/null && ! ls -d "${cgroups[@]}" &>/dev/null; then return; fi
		sleep 0.2
	done
	echo "left behind: $(ls -d "$dir" "${cgroups[@]}" 2>/dev/null)" >&2
	exit 1
}

# inside is the first process in the namespaces, and adopts every process whose parent has ended.
inside() {
	local dir=$1 bin=$2 image
	shift 2
	cd "$dir"
	hostname node
	machine
	network
	configure
	"$bin/etcd" --data-dir "$dir/etcd" --unsafe-no-fsync \
		--listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
		--listen-peer-urls http://127.0.0.1:2380 &>etcd.log &
	containerd --config containerd.toml &>containerd.log &
	"$bin/kube-apiserver" --etcd-servers=http://127.0.0.1:2379 --storage-media-type=application/json \
		--bind-address=0.0.0.0 --advertise-address=10.200.0.2 --secure-port=443 --cert-dir="$dir/certs" \
		--service-cluster-ip-range=10.96.0.0/24 --service-account-issuer=https://kubernetes.default.svc \
		--service-account-key-file=sa.key --service-account-signing-key-file=sa.key \
		--authorization-mode=Node,RBAC --token-auth-file=tokens.csv \
		--kubelet-preferred-address-types=InternalIP &>kube-apiserver.log &
	until "$bin/kubectl" --kubeconfig=admin.kubeconfig get --raw /readyz; do sleep 0.2; done &>/dev/null
	# Controllers that clean up would interfere with the tests: a world that is written to etcd has owners and nodes
	# that do not exist here.
	"$bin/kube-controller-manager" --kubeconfig=controllers.kubeconfig --secure-port=0 --leader-elect=false \
		--use-service-account-credentials=true --service-account-private-key-file=sa.key \
		--root-ca-file=certs/apiserver.crt \
		--controllers=*,-garbage-collector-controller,-pod-garbage-collector-controller,-ttl-after-finished-controller &>kube-controller-manager.log &
	"$bin/kube-scheduler" --kubeconfig=scheduler.kubeconfig --secure-port=0 --leader-elect=false &>kube-scheduler.log &
	until ctr version; do sleep 0.2; done &>/dev/null
	for image; do ctr -n k8s.io images import "$image"; done &>import.log
	"$bin/kubelet" --config=kubelet.yaml --kubeconfig=kubelet.kubeconfig --node-ip=10.200.0.2 &>kubelet.log &
	wait
}

# machine hides the parts of the machine that a node would change.
machine() {
	local name value hierarchy path
	mount -t tmpfs tmpfs /run
	mount -t tmpfs tmpfs /var/lib
	mount -t tmpfs tmpfs /var/log
	mount -t tmpfs tmpfs /usr/libexec
	mount -t tmpfs tmpfs /sys/fs/cgroup
	while IFS=: read -r _ hierarchy path; do
		[[ $hierarchy ]] || continue
		mkdir "/sys/fs/cgroup/${hierarchy#name=}"
		[[ $hierarchy != name=* ]] || hierarchy=none,$hierarchy
		mount -t cgroup -o "$hierarchy" cgroup "/sys/fs/cgroup/${hierarchy#none,name=}"
	done </proc/self/cgroup
	# The kubelet sets these for the whole machine, unless they have the right values already.
	while read -r name value; do
		echo "$value" >"sysctl-${name//\//-}"
		mount --bind "sysctl-${name//\//-}" "/proc/sys/$name"
	done <<-END
		vm/overcommit_memory 1
		vm/panic_on_oom 0
		kernel/panic 10
		kernel/panic_on_oops 1
		kernel/keys/root_maxkeys 1000000
		kernel/keys/root_maxbytes 25000000
	END
}

# network creates a bridge for the node's own address. The service address of the API server is on loopback.
network() {
	ip link set lo up
	ip link add eth0 type bridge
	ip addr add 10.200.0.2/24 dev eth0
	ip link set eth0 up
	ip route add default via 10.200.0.1
	ip addr add 10.96.0.1/32 dev lo
	echo 1 >/proc/sys/net/ipv4/ip_forward
}

configure() {
	mkdir cni
	cat >cni/10-bridge.conflist <<-END
		{"cniVersion": "1.0.0", "name": "pods", "plugins": [{
		  "type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false,
		  "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.244.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}
		}]}
	END
	cat >containerd.toml <<-END
		version = 2
		root = "$dir/containerd"
		[plugins."io.containerd.grpc.v1.cri"]
		sandbox_image = "localhost/pause:1"
		disable_apparmor = true
		restrict_oom_score_adj = true # a container may lack CAP_SYS_RESOURCE
		[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
		runtime_type = "io.containerd.runc.v2"
		[plugins."io.containerd.grpc.v1.cri".cni]
		bin_dir = "/usr/lib/cni"
		conf_dir = "$dir/cni"
	END
	cat >kubelet.yaml <<-END
		apiVersion: kubelet.config.k8s.io/v1beta1
		kind: KubeletConfiguration
		address: 10.200.0.2
		authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
		authorization: {mode: AlwaysAllow}
		cgroupDriver: cgroupfs
		failCgroupV1: false
		failSwapOn: false
		containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
		resolvConf: ""
		enforceNodeAllocatable: []
		evictionHard: {memory.available: "0%", nodefs.available: "0%", nodefs.inodesFree: "0%", imagefs.available: "0%"}
		imageGCHighThresholdPercent: 100
		localStorageCapacityIsolation: false
		nodeStatusUpdateFrequency: 5s
	END
}

if [[ $1 == --inside ]]; then
	shift
	inside "$@"
else
	keep "$@"
fi
