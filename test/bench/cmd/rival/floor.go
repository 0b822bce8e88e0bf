package main

import (
	"context"
	"errors"
	"net/http"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// lane limits the requests to one system at a time, to as many as bosgc sends by default.
type lane chan struct{}

func (l lane) do(request func() error) error {
	l <- struct{}{}
	defer func() { <-l }()
	return request()
}

type lanes struct{ bos, cfs, kube lane }

func newLanes() lanes { return lanes{make(lane, 2), make(lane, 4), make(lane, 8)} }

// parallel runs tasks in their order, at most limit at a time.
func parallel(limit int, tasks []func() error) error {
	var all sync.WaitGroup
	errs := make([]error, len(tasks))
	slots := make(lane, limit)
	for i, task := range tasks {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			errs[i] = task()
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// floor sends the fewest requests that a careful sweep can: each list once, in pages, and for each
// object to delete only what cannot be left out. BOS and CFS have no preconditions, so a record is
// read directly before it is deleted. The content of a ConfigMap is lost with it, so it is read to be
// stored. A Job is named exactly, by what its list said. The systems are used side by side, and the
// objects of a session one after the other.
func floor(ctx context.Context, families []family) error {
	s, err := connect(false)
	if err != nil {
		return err
	}
	l := newLanes()
	jobs, cms := exactly{}, exactly{}
	for _, f := range families {
		jobs[f.Job], cms[f.ConfigMap] = nil, nil
	}
	if err := s.lists(ctx, l, jobs, cms); err != nil {
		return err
	}
	var tasks []func() error
	for _, f := range families {
		tasks = append(tasks, func() error { return s.collect(ctx, l, f, jobs[f.Job], cms[f.ConfigMap]) })
	}
	return parallel(64, tasks) // enough that no lane is ever empty
}

// exactly has the preconditions that name the very object that was listed, by name. It has an entry
// for each object to delete, and keeps nothing of others.
type exactly map[string]*metav1.Preconditions

func (e exactly) note(o *metav1.ObjectMeta) {
	if _, goes := e[o.Name]; goes {
		uid, version := o.UID, o.ResourceVersion
		e[o.Name] = &metav1.Preconditions{UID: &uid, ResourceVersion: &version}
	}
}

// lists reads what has to be read before anything is known. What a client that knows the answer does
// not need is received and dropped.
func (s systems) lists(ctx context.Context, l lanes, jobs, cms exactly) error {
	tasks := []func() error{
		func() error { return l.bos.do(func() error { return s.send(ctx, http.MethodGet, s.bos) }) },
		func() error { return l.cfs.do(func() error { return s.send(ctx, http.MethodGet, s.cfs) }) },
	}
	for _, page := range []func(metav1.ListOptions) (metav1.ListInterface, error){
		func(o metav1.ListOptions) (metav1.ListInterface, error) {
			list, err := s.kube.BatchV1().Jobs(namespace).List(ctx, o)
			for i := range list.Items {
				jobs.note(&list.Items[i].ObjectMeta)
			}
			return list, err
		},
		func(o metav1.ListOptions) (metav1.ListInterface, error) {
			list, err := s.meta.Resource(configMaps).Namespace(namespace).List(ctx, o)
			for i := range list.Items {
				cms.note(&list.Items[i].ObjectMeta)
			}
			return list, err
		},
		func(o metav1.ListOptions) (metav1.ListInterface, error) {
			return s.kube.CoreV1().Pods(namespace).List(ctx, o)
		},
		func(o metav1.ListOptions) (metav1.ListInterface, error) {
			return s.kube.BatchV1().CronJobs(namespace).List(ctx, o)
		},
	} {
		tasks = append(tasks, func() error { return pages(l.kube, page) })
	}
	return parallel(len(tasks), tasks)
}

// pageSize is the page size of bosgc and kubectl.
const pageSize = 500

func pages(l lane, page func(metav1.ListOptions) (metav1.ListInterface, error)) error {
	next := metav1.ListOptions{Limit: pageSize}
	for {
		err := l.do(func() error {
			list, err := page(next)
			if err == nil {
				next.Continue = list.GetContinue()
			}
			return err
		})
		if err != nil || next.Continue == "" {
			return err
		}
	}
}

func (s systems) collect(ctx context.Context, l lanes, f family, job, cm *metav1.Preconditions) error {
	type step struct {
		lane lane
		send func() error
	}
	steps := make([]step, 0, 8)
	read := func(lane lane, url string) {
		for _, method := range []string{http.MethodGet, http.MethodDelete} {
			steps = append(steps, step{lane, func() error { return s.send(ctx, method, url) }})
		}
	}
	for _, name := range f.CFS {
		read(l.cfs, s.cfs+"/"+name)
	}
	if f.ConfigMap != "" {
		steps = append(steps, step{l.kube, func() error {
			_, err := s.kube.CoreV1().ConfigMaps(namespace).Get(ctx, f.ConfigMap, metav1.GetOptions{})
			return err
		}}, step{l.kube, func() error { return s.deleteConfigMap(ctx, f.ConfigMap, cm) }})
	}
	if f.Session != "" {
		read(l.bos, s.bos+"/"+f.Session)
	}
	if f.Job != "" {
		steps = append(steps, step{l.kube, func() error { return s.deleteJob(ctx, f.Job, job) }})
	}
	for _, one := range steps {
		if err := one.lane.do(one.send); err != nil {
			return err
		}
	}
	return nil
}
