package simkube

import (
	"net/http"
	"strings"

	"github.com/munnerz/goautoneg"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Kinds that an Accept header can ask for in place of the object itself ("as=").
const (
	asPartial     = "PartialObjectMetadata"
	asPartialList = "PartialObjectMetadataList"
	asTable       = "Table"

	metaVersion = "meta.k8s.io/v1"
)

// mediaTypes are those that are served. The first one is what "*/*" gets.
var mediaTypes = []string{runtime.ContentTypeJSON, runtime.ContentTypeProtobuf}

// form is how an answer is written.
type form struct {
	mediaType string
	as        string // empty: the object itself
}

func (f form) protobuf() bool { return f.mediaType == runtime.ContentTypeProtobuf }

// metadataOnly reports whether objects are written without anything but their metadata.
func (f form) metadataOnly() bool { return f.as == asPartial || f.as == asPartialList }

// negotiate returns the first form in an Accept header that is served, in the order in which a real API server goes
// through them: goautoneg is its parser too. A range that is not served, such as a Table in protobuf, is passed over.
func negotiate(accept string, transforms bool) (form, bool) {
	if accept == "" {
		return form{mediaType: mediaTypes[0]}, true
	}
	for _, clause := range goautoneg.ParseAccept(accept) {
		for _, mediaType := range mediaTypes {
			if !covers(clause, mediaType) {
				continue
			}
			if f := (form{mediaType, clause.Params["as"]}); f.served(clause.Params, transforms) {
				return f, true
			}
		}
	}
	return form{}, false
}

func covers(clause goautoneg.Accept, mediaType string) bool {
	kind, subtype, _ := strings.Cut(mediaType, "/")
	return (clause.Type == "*" || clause.Type == kind) && (clause.SubType == "*" || clause.SubType == subtype)
}

func (f form) served(parameters map[string]string, transforms bool) bool {
	group, version := parameters["g"], parameters["v"]
	if f.as == "" && group == "" && version == "" {
		return true
	}
	if !transforms || group != metav1.GroupName || version != "v1" {
		return false
	}
	return f.metadataOnly() || f.as == asTable && !f.protobuf()
}

// form returns how the answer to a request is to be written.
func (q request) form() (form, error) {
	f, ok := negotiate(q.Header.Get("Accept"), true)
	if !ok {
		return form{}, errNotAcceptable()
	}
	return f, nil
}

func errNotAcceptable() error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusNotAcceptable, Reason: metav1.StatusReasonNotAcceptable,
		Message: "only the following media types are accepted: " + strings.Join(mediaTypes, ", "),
	}}
}
