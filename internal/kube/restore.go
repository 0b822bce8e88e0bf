package kube

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"bosgc/internal/inventory"
	"bosgc/internal/transport"
)

// Comparison is how a ConfigMap of the namespace differs from a manifest.
type Comparison struct {
	Presence     inventory.Presence
	SameContent  bool // data and binary data, byte for byte
	SameMetadata bool // it has all annotations of the manifest
}

// restorable returns the ConfigMap of a manifest as it is created again: all that is its own, and
// nothing that the API server gave it. A finalizer could keep it for ever.
//
// Only what bosgc can have deleted is restorable. Whoever may write ConfigMaps where the journal is could otherwise
// have an administrator create any other one, such as BOS's Job template.
func (c *Client) restorable(name string, manifest json.RawMessage) (*corev1.ConfigMap, error) {
	var was corev1.ConfigMap
	if len(manifest) == 0 {
		return nil, errors.New("there is no manifest")
	}
	if err := json.Unmarshal(manifest, &was); err != nil {
		return nil, fmt.Errorf("the manifest is none of a ConfigMap: %w", err)
	}
	switch {
	case was.Kind != "" && was.Kind != "ConfigMap":
		return nil, fmt.Errorf("the manifest is of a %s", was.Kind)
	case was.Name != name:
		return nil, fmt.Errorf("the manifest is of %q", was.Name)
	case was.Namespace != "" && was.Namespace != c.options.Namespace:
		return nil, fmt.Errorf("it was in namespace %q, and this is %q (BOSGC_NAMESPACE)", was.Namespace, c.options.Namespace)
	}
	if !inventory.IsSessionID(name) {
		return nil, errors.New("no session has that ID, so bosgc cannot have deleted it")
	}
	if fault := cmp.Or(projectConfigMap(&was.ObjectMeta).Fault, bodyFault(&was)); fault != "" {
		return nil, fmt.Errorf("bosgc cannot have deleted it: %s", fault)
	}
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: c.options.Namespace, Annotations: was.Annotations},
		Data:       was.Data, BinaryData: was.BinaryData, Immutable: was.Immutable,
	}, nil
}

// DescribeRestorable returns what a ConfigMap that is created from a manifest will hold, for a person. Its content is
// not shown: kernel parameters in it may hold secrets. The error says why it cannot be created. It sends nothing.
func (c *Client) DescribeRestorable(name string, manifest json.RawMessage) (string, error) {
	cm, err := c.restorable(name, manifest)
	if err != nil {
		return "", err
	}
	template, err := parseTemplate([]byte(cm.Data[sessionKey]))
	if err != nil {
		template.Name = "" // BOS has written others, too
	}
	text := fmt.Sprintf("%s of %d bytes, template %s, boot sets %s", sessionKey, len(cm.Data[sessionKey]),
		cmp.Or(transport.Printable(template.Name, 60), "unknown"), cmp.Or(strings.Join(template.BootSets, ", "), "unknown"))
	if len(cm.Annotations) > 0 {
		text += "; annotations " + strings.Join(slices.Sorted(maps.Keys(cm.Annotations)), ", ")
	}
	return text, nil
}

// CompareConfigMap compares the ConfigMap of that name, as it is now, with a manifest.
func (c *Client) CompareConfigMap(ctx context.Context, name string, manifest json.RawMessage) (Comparison, error) {
	want, err := c.restorable(name, manifest)
	if err != nil {
		return Comparison{}, err
	}
	got, presence, err := c.fetchConfigMap(ctx, name)
	if presence != inventory.Present {
		return Comparison{Presence: presence}, err
	}
	return Comparison{
		Presence:     inventory.Present,
		SameContent:  maps.Equal(got.Data, want.Data) && maps.EqualFunc(got.BinaryData, want.BinaryData, bytes.Equal),
		SameMetadata: containsAll(got.Annotations, want.Annotations),
	}, nil
}

func containsAll(all, some map[string]string) bool {
	for key, value := range some {
		if found, ok := all[key]; !ok || found != value {
			return false
		}
	}
	return true
}

// CreateConfigMap creates the ConfigMap of a manifest. It returns false if the name is taken by another one, which
// is left as it is.
func (c *Client) CreateConfigMap(ctx context.Context, name string, manifest json.RawMessage) (created bool, err error) {
	want, err := c.restorable(name, manifest)
	if err != nil {
		return false, err
	}
	_, err = fetch(ctx, c.do, func(ctx context.Context) (*corev1.ConfigMap, error) {
		return c.configMaps().Create(ctx, want, metav1.CreateOptions{})
	})
	if !apierrors.IsAlreadyExists(err) {
		return err == nil, explain("create ConfigMap "+name, c.options.Namespace, err)
	}
	// At a second try it may be the first one that has created it, whose answer was lost.
	now, err := c.CompareConfigMap(ctx, name, manifest)
	return now.SameContent && now.SameMetadata, err
}
