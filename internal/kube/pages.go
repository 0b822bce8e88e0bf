package kube

import (
	"context"
	"fmt"
	"sync/atomic"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/pager"
)

// Objects in one page of a list. The pager holds two pages: one that is read, and the next one.
// That bounds what a list takes in memory, whatever the namespace holds. A Pod with all that the mesh
// and the API server add to it has ten thousand bytes and more, the metadata of a ConfigMap some hundreds.
const (
	objectPage   = 250
	metadataPage = 500
)

// maxRestarts is how often a list begins again after the API server has dropped its place in it
// (410 Gone). Each time everything seen is dropped: a list patched together from two
// moments could miss an object that was there in both.
const maxRestarts = 3

// listAll runs a list to its end, page by page, and calls add for each object. It calls begin before
// the first one, and again whenever the list begins again: what was added until then does not
// count. Nothing counts after an error. It returns the version of the list, from which a watch can go on:
// all pages have the same.
func listAll[T runtime.Object, L interface {
	runtime.Object
	metav1.ListInterface
}](
	ctx context.Context, c *Client, opts metav1.ListOptions, list func(context.Context, metav1.ListOptions) (L, error),
	begin func(), add func(T),
) (version string, requests int, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.options.ListTimeout)
	defer cancel()
	// By the pager's own goroutine, which may outlive a canceled list.
	var sent atomic.Int64
	var of atomic.Pointer[string]
	pages := &pager.ListPager{PageFn: func(ctx context.Context, opts metav1.ListOptions) (runtime.Object, error) {
		sent.Add(1)
		page, err := fetch(ctx, c.do, func(ctx context.Context) (L, error) { return list(ctx, opts) })
		if err == nil {
			of.Store(new(page.GetResourceVersion()))
		}
		return page, err
	}}
	for range maxRestarts + 1 {
		begin()
		err = pages.EachListItem(ctx, opts, func(item runtime.Object) error {
			object, ok := item.(T)
			if !ok {
				return fmt.Errorf("the list holds a %T; expected a %T", item, object)
			}
			add(object)
			return nil
		})
		switch {
		case err == nil:
			return *of.Load(), int(sent.Load()), nil
		case ctx.Err() != nil:
			return "", int(sent.Load()), context.Cause(ctx)
		case !apierrors.IsResourceExpired(err) && !apierrors.IsGone(err):
			return "", int(sent.Load()), err
		}
	}
	return "", int(sent.Load()), fmt.Errorf("the list expired %d times before its end: %w", maxRestarts+1, err)
}
