package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// burst is the number of families that are collected before the library begins to hold requests back.
const burst = 12

// peer collects as most cleaners for Kubernetes do. It lists everything whole, with bodies and at
// once, and keeps it. It reads every session by itself, gets times. It deletes one object after the
// other by name. All this is at the default pace of the client library: 5 requests a second to each
// API group after the first 10.
func peer(ctx context.Context, families []family, gets int) error {
	s, err := connect(true)
	if err != nil {
		return err
	}
	all := metav1.ListOptions{}
	jobs, err := s.kube.BatchV1().Jobs(namespace).List(ctx, all)
	if err != nil {
		return err
	}
	pods, err := s.kube.CoreV1().Pods(namespace).List(ctx, all)
	if err != nil {
		return err
	}
	cms, err := s.kube.CoreV1().ConfigMaps(namespace).List(ctx, all)
	if err != nil {
		return err
	}
	ids, err := s.sessions(ctx)
	if err != nil {
		return err
	}
	if err := s.send(ctx, http.MethodGet, s.cfs); err != nil {
		return err
	}
	goes := map[string]bool{}
	for _, f := range families {
		goes[f.Session] = true
	}
	stays := slices.DeleteFunc(ids, func(id string) bool { return goes[id] })
	stays = stays[:max(0, min(gets-len(families), len(stays)))]
	for i, f := range families {
		if i == burst {
			if err := mark(burst); err != nil {
				return err
			}
		}
		here := stays[i*len(stays)/len(families) : (i+1)*len(stays)/len(families)]
		for _, id := range append([]string{f.Session}, here...) {
			if err := s.send(ctx, http.MethodGet, s.bos+"/"+id); err != nil {
				return err
			}
		}
		if err := s.oneByOne(ctx, f); err != nil {
			return err
		}
	}
	fmt.Println(len(jobs.Items), len(pods.Items), len(cms.Items)) // all are kept until here
	return nil
}

func (s systems) sessions(ctx context.Context) (ids []string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.bos, http.NoBody)
	if err != nil {
		return nil, err
	}
	response, err := s.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	return ids, json.NewDecoder(response.Body).Decode(&ids)
}

func (s systems) oneByOne(ctx context.Context, f family) error {
	for _, name := range f.CFS {
		if err := s.send(ctx, http.MethodDelete, s.cfs+"/"+name); err != nil {
			return err
		}
	}
	if f.ConfigMap != "" {
		if err := s.deleteConfigMap(ctx, f.ConfigMap, nil); err != nil {
			return err
		}
	}
	if f.Session != "" {
		if err := s.send(ctx, http.MethodDelete, s.bos+"/"+f.Session); err != nil {
			return err
		}
	}
	if f.Job != "" {
		return s.deleteJob(ctx, f.Job, nil)
	}
	return nil
}
