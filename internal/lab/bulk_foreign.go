package lab

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"bosgc/internal/lab/simkube"
)

// foreignConfigMaps returns ConfigMaps of other services, of which a full system has thousands: with labels and managed
// fields, and every third with the copy of itself that kubectl leaves in an annotation.
func foreignConfigMaps(count, size int, now time.Time) []simkube.BulkObject {
	owners := []string{"cray-hms", "cray-ims", "cray-sls", "loftsman", "nexus", "site", "slurm", "sonar", "spire"}
	var contents []*foreignConfigMap
	for i := range 3 * len(owners) {
		created := now.Add(-time.Duration(i+1) * day)
		contents = append(contents, newForeignConfigMap(owners[i%len(owners)], i%3 == 0, size, created))
	}
	items := make([]simkube.BulkObject, 0, count)
	for i := range count {
		content := contents[i%len(contents)]
		name := fmt.Sprintf("%s-settings-%07d", content.owner, i)
		items = append(items, simkube.NewBulkObject("configmaps", Namespace, name, content))
	}
	return items
}

// foreignConfigMap is the content of all ConfigMaps of one service. They differ in their name, and in the UID that
// follows from it.
type foreignConfigMap struct {
	owner        string
	labels       map[string]string
	metadata     metav1.ObjectMeta // with NAME and UID in place of both
	metadataJSON [][]byte          // its JSON, cut behind each place of the UID or the name
	size         int
}

// Bytes in place of the UID and the name. JSON never contains them.
const placeOfUID, placeOfName = "\x01", "\x02"

func newForeignConfigMap(owner string, annotated bool, size int, created time.Time) *foreignConfigMap {
	f := &foreignConfigMap{owner: owner, size: size, labels: map[string]string{
		"app.kubernetes.io/name": owner, "app.kubernetes.io/instance": owner, "app.kubernetes.io/managed-by": "Helm",
	}}
	at := metav1.NewTime(created)
	m := metav1.ObjectMeta{
		Name: "NAME", Namespace: Namespace, UID: "UID", CreationTimestamp: at, Labels: f.labels,
		ManagedFields: fieldsOf("configmaps", at),
	}
	m.ManagedFields[0].Manager, m.ManagedFields[0].APIVersion = "helm", "v1"
	if annotated {
		m.Annotations = map[string]string{corev1.LastAppliedConfigAnnotation: fmt.Sprintf(
			`{"apiVersion":"v1","data":{"settings.yaml":%q},"kind":"ConfigMap","metadata":{"annotations":{},`+
				`"labels":{"app.kubernetes.io/name":%q},"name":"NAME","namespace":"services"}}`,
			strings.Repeat("setting: none\n", 15), owner)}
	}
	f.metadata = m
	text, err := json.Marshal(m)
	if err != nil {
		panic(err) // only texts
	}
	text = bytes.ReplaceAll(text[1:len(text)-1], []byte(`"UID"`), []byte(`"`+placeOfUID+`"`))
	text = bytes.ReplaceAll(text, []byte("NAME"), []byte(placeOfName))
	for len(text) > 0 {
		i := bytes.IndexAny(text, placeOfUID+placeOfName)
		if i < 0 {
			i = len(text) - 1
		}
		f.metadataJSON, text = append(f.metadataJSON, text[:i+1]), text[i+1:]
	}
	return f
}

// Labels returns the labels, which are the same for all.
func (f *foreignConfigMap) Labels() map[string]string { return f.labels }

// AppendMeta appends the metadata of the ConfigMap of that name.
func (f *foreignConfigMap) AppendMeta(to []byte, name string) []byte {
	for _, part := range f.metadataJSON {
		last := len(part) - 1
		switch part[last] {
		case placeOfUID[0]:
			to = appendUID(append(to, part[:last]...), name)
		case placeOfName[0]:
			to = append(append(to, part[:last]...), name...)
		default:
			to = append(to, part...)
		}
	}
	return to
}

// Metadata returns the metadata of the ConfigMap of that name.
func (f *foreignConfigMap) Metadata(name string) metav1.ObjectMeta {
	m := f.metadata
	m.Name, m.UID = name, types.UID(appendUID(nil, name))
	if note, ok := m.Annotations[corev1.LastAppliedConfigAnnotation]; ok {
		m.Annotations = map[string]string{corev1.LastAppliedConfigAnnotation: strings.Replace(note, "NAME", name, 1)}
	}
	return m
}

// appendUID appends the UID that follows from a name.
func appendUID(to []byte, name string) []byte {
	hash := fnv.New64a()
	hash.Write([]byte(name))
	sum := hash.Sum64()
	return fmt.Appendf(to, "%08x-%04x-4%03x-9%03x-%012x", uint32(sum), uint16(sum>>32), sum>>52, sum&0xfff, sum>>16)
}

// AppendRest appends the content of a ConfigMap.
func (f *foreignConfigMap) AppendRest(to []byte, _ string) []byte {
	const line = `    - {host: ncn-w001, role: worker, zone: a, weight: 10}\n`
	to = append(to, `"data":{"settings.yaml":"`...)
	for n := 0; n < f.size; n += len(line) - 1 {
		to = append(to, line...)
	}
	return append(to, `"}`...)
}
