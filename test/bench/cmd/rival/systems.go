package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// namespace is where BOS creates its Jobs and ConfigMaps.
const namespace = "services"

var configMaps = corev1.SchemeGroupVersion.WithResource("configmaps")

// systems are bare clients of the three systems in which a session leaves something.
type systems struct {
	http *http.Client
	kube kubernetes.Interface
	meta metadata.Interface

	bos, cfs string
}

// connect creates the client of Kubernetes, with the library's own limits or without any.
func connect(limited bool) (systems, error) {
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		return systems{}, err
	}
	if !limited {
		config.QPS = -1
		config.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	}
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return systems{}, err
	}
	typed, errTyped := kubernetes.NewForConfigAndClient(config, client)
	meta, errMeta := metadata.NewForConfigAndClient(metadata.ConfigFor(config), client)
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableKeepAlives = true // BOS and CFS close every connection after an answer without saying so
	return systems{
		http: &http.Client{Transport: transport}, kube: typed, meta: meta,
		bos: os.Getenv("BOSGC_BOS_URL") + "/v1/session", cfs: os.Getenv("BOSGC_CFS_URL") + "/v2/sessions",
	}, errors.Join(errTyped, errMeta)
}

// send sends a request to BOS or CFS and reads the answer to its end.
func (s systems) send(ctx context.Context, method, url string) error {
	request, err := http.NewRequestWithContext(ctx, method, url, http.NoBody)
	if err != nil {
		return err
	}
	response, err := s.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return err
	}
	if response.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("%s %s: %s", method, url, response.Status)
	}
	return nil
}

func (s systems) deleteJob(ctx context.Context, name string, exactly *metav1.Preconditions) error {
	background := metav1.DeletePropagationBackground
	return s.kube.BatchV1().Jobs(namespace).Delete(ctx, name, metav1.DeleteOptions{PropagationPolicy: &background, Preconditions: exactly})
}

func (s systems) deleteConfigMap(ctx context.Context, name string, exactly *metav1.Preconditions) error {
	return s.kube.CoreV1().ConfigMaps(namespace).Delete(ctx, name, metav1.DeleteOptions{Preconditions: exactly})
}
