// Package bosetcd reads which sessions there are from BOS v1's own etcd, for the days on which BOS cannot
// list them any more (docs/csm.md, "The list that hangs"). It only ever reads: keys, in pages, and the
// size of a few values.
package bosetcd

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

const (
	// base is where BOS v1 keeps its sessions. Session templates lie below /sessionTemplate/.
	base = "/session/"
	// pageKeys is how many keys are asked for at once: about 200 KB, a twentieth of what has BOS hang.
	pageKeys = 2000
	// maxRestarts is how often reading begins anew because etcd has forgotten the revision it began
	// with. BOS's etcd forgets by number of changes (100,000 of them), so that once is rare.
	maxRestarts = 3
	// sampled is of how many sessions the values are weighed: enough to meet the few percent of a
	// machine's sessions that have most of its nodes, and a tenth of what the list would have etcd
	// send when it begins to hang.
	sampled = 100
	// overhead is what an answer has for each key besides key and value, in bytes: three revisions and four
	// lengths with their tags.
	overhead = 24
)

// Options say how etcd is reached.
type Options struct {
	Endpoints    []string // URLs
	CAFile       string
	CertFile     string // of this client; with KeyFile
	KeyFile      string
	User         string
	PasswordFile string
	Timeout      time.Duration // of one page
}

// Reader reads the keys of one etcd.
type Reader struct {
	options Options
	page    int64 // keys asked for at once
}

// New makes a Reader. Nothing is sent and no file read yet: passwords and certificates are changed from time to time.
func New(o Options) *Reader { return &Reader{options: o, page: pageKeys} }

// Keys is what etcd has below /session/, at one moment.
type Keys struct {
	Sessions []string // IDs, sorted, each once: BOS's list is made of the same keys, ghosts and all
	Count    int      // of keys
	// Bytes is what BOS's list would have etcd send, at most: keys are counted, values estimated
	// from some sessions, and three standard deviations added.
	Bytes    int64
	Requests int
}

// Read reads all keys. It is complete or an error. Every page is confirmed by a majority of etcd's members
// (that is the default of a read), because one that is cut off may have old keys.
func (r *Reader) Read(ctx context.Context) (Keys, error) {
	client, err := r.connect(ctx)
	if err != nil {
		return Keys{}, fmt.Errorf("BOS's etcd (BOSGC_BOS_ETCD_ENDPOINTS %s): %w", strings.Join(r.options.Endpoints, ","), err)
	}
	defer func() { _ = client.Close() }() // only what was read counts
	var found Keys
	for restarts := 0; ; restarts++ {
		err = r.read(ctx, client, &found)
		// Half of the pages from before a compaction and half from after it would be no moment at all.
		if !errors.Is(err, rpctypes.ErrCompacted) || restarts == maxRestarts {
			break
		}
	}
	if err != nil {
		return Keys{Requests: found.Requests}, fmt.Errorf("BOS's etcd (BOSGC_BOS_ETCD_ENDPOINTS %s) could not be read: %w", strings.Join(r.options.Endpoints, ","), err)
	}
	return found, nil
}

func (r *Reader) connect(ctx context.Context) (*clientv3.Client, error) {
	config := clientv3.Config{
		Endpoints: r.options.Endpoints, DialTimeout: r.options.Timeout, Context: ctx,
		Logger: zap.NewNop(), // what it would say comes back as an error
	}
	if strings.HasPrefix(r.options.Endpoints[0], "https://") {
		var err error
		if config.TLS, err = r.tls(); err != nil {
			return nil, err
		}
	}
	if r.options.User != "" {
		password, err := os.ReadFile(r.options.PasswordFile)
		if err != nil {
			return nil, fmt.Errorf("BOSGC_BOS_ETCD_PASSWORD_FILE: %w", err)
		}
		config.Username, config.Password = r.options.User, strings.TrimSpace(string(password))
		if config.Password == "" { // the client would ask without any user
			return nil, fmt.Errorf("BOSGC_BOS_ETCD_PASSWORD_FILE %s is empty; expected the password of %s", r.options.PasswordFile, r.options.User)
		}
	}
	return clientv3.New(config)
}

func (r *Reader) tls() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if r.options.CAFile != "" {
		pem, err := os.ReadFile(r.options.CAFile)
		if err != nil {
			return nil, fmt.Errorf("BOSGC_BOS_ETCD_CA_FILE: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("BOSGC_BOS_ETCD_CA_FILE %s has no certificate in PEM form", r.options.CAFile)
		}
	}
	if r.options.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(r.options.CertFile, r.options.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("BOSGC_BOS_ETCD_CERT_FILE, BOSGC_BOS_ETCD_KEY_FILE: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// get asks once, with a deadline of its own: the client tries an etcd that is down again and again.
func (r *Reader) get(ctx context.Context, client *clientv3.Client, found *Keys, key string, options ...clientv3.OpOption) (*clientv3.GetResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, r.options.Timeout)
	defer cancel()
	found.Requests++
	answer, err := client.Get(ctx, key, options...)
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("no answer within %s (BOSGC_REQUEST_TIMEOUT): %w", r.options.Timeout, err)
	}
	return answer, err
}

// read reads page after page, all at the revision of the first.
//
// For each page etcd counts all keys from its beginning to the end that was asked for. Where there are half a million, that
// takes longer than to give the page, so that those after the first ask for no more than a section.
func (r *Reader) read(ctx context.Context, client *clientv3.Client, found *Keys) error {
	*found = Keys{Requests: found.Requests, Sessions: []string{}}
	from, end := base, clientv3.GetPrefixRangeEnd(base)
	var revision, all, keyBytes int64
	for until := end; from < end; {
		page, err := r.get(ctx, client, found, from,
			clientv3.WithRange(until), clientv3.WithKeysOnly(), clientv3.WithLimit(r.page), clientv3.WithRev(revision))
		if err != nil {
			return err
		}
		if revision == 0 {
			revision, all = page.Header.Revision, page.Count
		}
		for _, kv := range page.Kvs {
			found.Count++
			keyBytes += int64(len(kv.Key)) + overhead
			// The keys of one session mostly follow each other.
			if id := session(kv.Key); id != "" && (len(found.Sessions) == 0 || found.Sessions[len(found.Sessions)-1] != id) {
				found.Sessions = append(found.Sessions, id)
			}
		}
		if page.More && len(page.Kvs) > 0 {
			from = string(page.Kvs[len(page.Kvs)-1].Key) + "\x00"
		} else {
			from = until
		}
		if all > int64(len(sections))*r.page {
			until = section(from, end)
		}
	}
	if int64(found.Count) != all {
		return fmt.Errorf("it has %d keys below %s, and gave %d", all, base, found.Count)
	}
	// Sorted by key is not sorted by ID: the slash behind an ID sorts after a dash.
	slices.Sort(found.Sessions)
	found.Sessions = slices.Compact(found.Sessions)
	values, err := r.weigh(ctx, client, found, revision)
	found.Bytes = keyBytes + values
	return err
}

// sections are where a section begins, but for the first: IDs begin with each of sixteen digits equally often.
const sections = "123456789abcdef"

// section gives where the section ends that a key lies in.
func section(from, end string) string {
	for _, digit := range sections {
		if border := base + string(digit); from < border {
			return border
		}
	}
	return end
}

// session is the ID in a key, as BOS takes it out.
func session(key []byte) string {
	id, _, _ := bytes.Cut(bytes.TrimPrefix(key, []byte(base)), []byte("/"))
	return string(id)
}

// weigh estimates what the values weigh, from sessions at equal distances: IDs are random, so their order is
// as good as a draw. A few sessions of many nodes among many small ones make the mean uncertain,
// and the estimate larger.
func (r *Reader) weigh(ctx context.Context, client *clientv3.Client, found *Keys, revision int64) (int64, error) {
	all := len(found.Sessions)
	n := min(all, sampled)
	if n == 0 {
		return 0, nil
	}
	var sum, squares float64
	for i := range n {
		id := found.Sessions[i*all/n]
		answer, err := r.get(ctx, client, found, base+id+"/", clientv3.WithPrefix(), clientv3.WithRev(revision))
		if err != nil {
			return 0, err
		}
		weight := 0.0
		for _, kv := range answer.Kvs {
			weight += float64(len(kv.Value))
		}
		sum += weight
		squares += weight * weight
	}
	mean := sum / float64(n)
	deviation := 0.0
	if n < all {
		deviation = math.Sqrt(max(0, squares/float64(n)-mean*mean) / float64(n-1))
	}
	return int64(float64(all) * (mean + 3*deviation)), nil
}
