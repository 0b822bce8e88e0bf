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

// foreignOnes are ConfigMaps of other services, of which a full system has thousands: with labels and notes of
// who wrote them, every third with the copy of itself that kubectl leaves in an annotation.
func foreignOnes(count, size int, now time.Time) []simkube.BulkObject {
	owners := []string{"cray-hms", "cray-ims", "cray-sls", "loftsman", "nexus", "site", "slurm", "sonar", "spire"}
	var forms []*foreignForm
	for i := range 3 * len(owners) {
		forms = append(forms, newForeignForm(owners[i%len(owners)], i%3 == 0, size, now.Add(-time.Duration(i+1)*day)))
	}
	items := make([]simkube.BulkObject, 0, count)
	for i := range count {
		form := forms[i%len(forms)]
		name := fmt.Sprintf("%s-settings-%07d", form.owner, i)
		items = append(items, simkube.NewBulkObject("configmaps", Namespace, name, form))
	}
	return items
}

// foreignForm is what the ConfigMaps of one service have in common: all but the name, where the UID follows
// from it.
type foreignForm struct {
	owner  string
	labels map[string]string
	plain  metav1.ObjectMeta // with NAME for the name
	meta   [][]byte          // plain as JSON, between the places of the UID and the name
	size   int
}

const placeOfUID, placeOfName = "\x01", "\x02"

func newForeignForm(owner string, annotated bool, size int, created time.Time) *foreignForm {
	f := &foreignForm{owner: owner, size: size, labels: map[string]string{
		"app.kubernetes.io/name": owner, "app.kubernetes.io/instance": owner, "app.kubernetes.io/managed-by": "Helm",
	}}
	at := metav1.NewTime(created)
	m := metav1.ObjectMeta{
		Name: "NAME", Namespace: Namespace, UID: "UID", CreationTimestamp: at, Labels: f.labels, ManagedFields: fieldsOf("configmaps", at),
	}
	m.ManagedFields[0].Manager, m.ManagedFields[0].APIVersion = "helm", "v1"
	if annotated {
		m.Annotations = map[string]string{corev1.LastAppliedConfigAnnotation: fmt.Sprintf(
			`{"apiVersion":"v1","data":{"settings.yaml":%q},"kind":"ConfigMap","metadata":{"annotations":{},"labels":{"app.kubernetes.io/name":%q},"name":"NAME","namespace":"services"}}`,
			strings.Repeat("setting: none\n", 15), owner)}
	}
	f.plain = m
	text, err := json.Marshal(m)
	if err != nil {
		panic(err) // texts only
	}
	text = bytes.ReplaceAll(bytes.ReplaceAll(text[1:len(text)-1], []byte(`"UID"`), []byte(`"`+placeOfUID+`"`)), []byte("NAME"), []byte(placeOfName))
	for len(text) > 0 {
		i := bytes.IndexAny(text, placeOfUID+placeOfName)
		if i < 0 {
			i = len(text) - 1
		}
		f.meta, text = append(f.meta, text[:i+1]), text[i+1:]
	}
	return f
}

// Labels are those of all of them.
func (f *foreignForm) Labels() map[string]string { return f.labels }

// AppendMeta writes the metadata of one.
func (f *foreignForm) AppendMeta(to []byte, name string) []byte {
	for _, part := range f.meta {
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

// Metadata returns the metadata of one.
func (f *foreignForm) Metadata(name string) metav1.ObjectMeta {
	m := f.plain
	m.Name, m.UID = name, types.UID(appendUID(nil, name))
	if note, ok := m.Annotations[corev1.LastAppliedConfigAnnotation]; ok {
		m.Annotations = map[string]string{corev1.LastAppliedConfigAnnotation: strings.Replace(note, "NAME", name, 1)}
	}
	return m
}

// appendUID appends the UID of the ConfigMap of that name.
func appendUID(to []byte, name string) []byte {
	hash := fnv.New64a()
	hash.Write([]byte(name))
	sum := hash.Sum64()
	return fmt.Appendf(to, "%08x-%04x-4%03x-9%03x-%012x", uint32(sum), uint16(sum>>32), sum>>52, sum&0xfff, sum>>16)
}

// AppendRest writes the content of one.
func (f *foreignForm) AppendRest(to []byte, _ string) []byte {
	const line = `    - {host: ncn-w001, role: worker, zone: a, weight: 10}\n`
	to = append(to, `"data":{"settings.yaml":"`...)
	for n := 0; n < f.size; n += len(line) - 1 {
		to = append(to, line...)
	}
	return append(to, `"}`...)
}
