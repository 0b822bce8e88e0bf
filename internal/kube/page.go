package kube

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// pageSize is how many objects a list asks for at once: the size that kubectl uses. It
// bounds what one answer holds in memory, whatever the namespace holds.
const pageSize = 500

// wholePage is the same for Jobs and Pods, which come whole: with what the mesh and the API server add to it a Pod has
// ten thousand bytes and more, and both lists are read at once. Half as many halve what they take, at the cost of one
// short request more for every 500.
const wholePage = pageSize / 2

// restarts is how often a list begins again after the server has forgotten its place in it
// (410 Gone). Each time everything seen is dropped: a list patched together from two
// moments could miss an object that was there in both.
const restarts = 3

// heldTwice is how large a page may be for another one to be held beside it, in bytes. The metadata of 500
// ConfigMaps is a twentieth of it, unless people note much on them.
const heldTwice = 4 << 20

// listing runs a list to its end, and has each page added to what is given back.
func listing[T, L any](ctx context.Context, c *Client, of resource[T, L], opts metav1.ListOptions, add func(*Listing, *L)) (Listing, error) {
	var l Listing
	requests, err := pages(ctx, c, of, opts, func(page *L, begins bool) {
		if begins {
			l = Listing{} // what an expired list has given is dropped
		}
		add(&l, page)
	})
	l.Requests = requests
	return l, err
}

// pages runs a list to its end. take gets one page after the other, and is told if the list begins with it, perhaps
// again.
func pages[T, L any](ctx context.Context, c *Client, of resource[T, L], opts metav1.ListOptions, take func(page *L, begins bool)) (requests int, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.options.ListTimeout)
	defer cancel()
	for range restarts + 1 {
		var n int
		n, err = once(ctx, c, of, opts, take)
		requests += n
		if !apierrors.IsResourceExpired(err) && !apierrors.IsGone(err) {
			return requests, err
		}
	}
	return requests, fmt.Errorf("the list expired %d times before its end: %w", restarts+1, err)
}

// once runs a list to its end or to its first error. While it reads a page of metadata, the server makes the next one: a
// list of a hundred thousand ConfigMaps keeps both of them busy. Of whole objects two pages at once would be too much to
// hold.
func once[T, L any](ctx context.Context, c *Client, of resource[T, L], opts metav1.ListOptions, take func(page *L, begins bool)) (requests int, err error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop() // a page that was asked for and that nobody waits for any more
	next := ahead(ctx, c, of, opts)
	for begins := true; ; begins = false {
		answer := <-next
		requests++
		if answer.err != nil {
			return requests, answer.err
		}
		opts.Continue = ""
		if text, err := answer.result.Raw(); err == nil && of.metadata && len(text) <= heldTwice {
			opts.Continue = continueOf(text)
		}
		if opts.Continue != "" {
			next = ahead(ctx, c, of, opts)
		}
		page, err := as[L](answer.result.Get())
		if err != nil {
			return requests, err
		}
		take(page, begins)
		switch follows := any(page).(metav1.ListInterface).GetContinue(); {
		case opts.Continue != "" && opts.Continue != follows: // or half a list could pass for a whole one
			return requests, fmt.Errorf("the list says at its beginning that it goes on at %q, and as a whole at %q", opts.Continue, follows)
		case follows == "":
			return requests, nil
		case opts.Continue == "": // it is one of whole objects, or does not say so at its beginning
			opts.Continue = follows
			next = ahead(ctx, c, of, opts)
		}
	}
}

type answer struct {
	result rest.Result
	err    error
}

// ahead asks for a page.
func ahead[T, L any](ctx context.Context, c *Client, of resource[T, L], opts metav1.ListOptions) <-chan answer {
	done := make(chan answer, 1)
	go func() {
		var a answer
		a.err = c.ask(ctx, func(ctx context.Context) error {
			a.result = of.list(opts).Do(ctx)
			return a.result.Error()
		})
		done <- a
	}()
	return done
}

// continueOf says where the next page begins, without reading all of this one: a list says so before its items. It is
// empty if it does not say so there, or there is no next page.
func continueOf(page []byte) string {
	if message, ok := bytes.CutPrefix(page, []byte(protobuf)); ok {
		const raw, metadata, follows = 2, 1, 3 // of runtime.Unknown, of every list, of ListMeta
		return string(field(field(field(message, raw), metadata), follows))
	}
	d := json.NewDecoder(bytes.NewReader(page))
	if _, err := d.Token(); err != nil {
		return ""
	}
	for d.More() {
		key, err := d.Token()
		if err != nil || key == "items" {
			return ""
		}
		var value json.RawMessage
		if d.Decode(&value) != nil {
			return ""
		}
		if key == "metadata" {
			var meta metav1.ListMeta
			_ = json.Unmarshal(value, &meta) // who reads all of it tells
			return meta.Continue
		}
	}
	return ""
}

// field gives the first field of that number in a message of protobuf, if it is a text or a message; else nil.
func field(message []byte, number protowire.Number) []byte {
	for len(message) > 0 {
		found, form, n := protowire.ConsumeTag(message)
		if n < 0 {
			return nil
		}
		message = message[n:]
		if found == number && form == protowire.BytesType {
			value, _ := protowire.ConsumeBytes(message)
			return value
		}
		if n = protowire.ConsumeFieldValue(found, form, message); n < 0 {
			return nil
		}
		message = message[n:]
	}
	return nil
}
