// Command bosgc-lab runs a simulated CSM system on loopback until it is interrupted.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"bosgc/internal/lab"
	"bosgc/internal/lab/simcfs"
)

type options struct {
	world        lab.Options
	server       lab.ServerOptions
	env, truth   string
	serviceTimes map[string]string
	faults       []string
	stories      []string
	listStories  bool
	live         bool
	bulk         int // percent of expired sessions in a world without oddities; -1: a world of stories
	foreign      int
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bosgc-lab:", err)
		os.Exit(1)
	}
}

func parse(args []string) (options, error) {
	var o options
	flags := pflag.NewFlagSet("bosgc-lab", pflag.ContinueOnError)
	flags.SortFlags = false
	flags.StringVar(&o.world.CSM, "csm", "1.4", "CSM release: "+strings.Join(lab.Profiles(), ", "))
	flags.Uint64Var(&o.world.Seed, "seed", 1, "seed of the world")
	flags.IntVar(&o.world.Sessions, "sessions", 100, "how many sessions")
	flags.IntVar(&o.world.Nodes, "nodes", 64, "how many compute nodes")
	flags.IntVar(&o.world.ListBytes, "list-bytes", 0, "size of BOS's session list; above 4194304 it hangs "+
		"(default: the size of the sessions, but below that; -1: the size of the sessions)")
	flags.StringVar(&o.server.BOSEtcd, "bos-etcd", "", "URL of an etcd in which BOS stores its sessions, such as "+
		"http://127.0.0.1:2379")
	flags.StringSliceVar(&o.stories, "only", nil, "tell these stories only")
	flags.BoolVar(&o.listStories, "stories", false, "list the stories of the release and exit")
	flags.StringVar(&o.env, "env", "", "file for the environment of bosgc, as KEY=value lines, once everything listens")
	flags.StringVar(&o.truth, "truth", "", "file for what a first plan must say, as JSON")
	flags.StringArrayVar(&o.faults, "fault", nil, "a fault, such as bos-down or status=503,system=cfs,count=2 "+
		"(may be repeated); switches: "+strings.Join(lab.Switches, ", "))
	flags.IntVar(&o.bulk, "bulk", -1, "a world without oddities, as large as wanted, in which this percentage of the "+
		"sessions has expired")
	flags.IntVar(&o.foreign, "foreign", 0, "with --bulk, how many ConfigMaps of 1 KiB other services have")
	flags.BoolVar(&o.live, "live", false, "make the world live: a session reboots half of the nodes, CFS's batcher "+
		"configures them, and Jobs and Deployments have controllers")
	flags.BoolVar(&o.server.Gateway, "gateway", false, "reach BOS and CFS through an API gateway with TLS and tokens")
	flags.StringVar(&o.server.Login, "login", "redirect", "what the gateway does without a token: redirect, html, 401")
	flags.DurationVar(&o.server.TokenLife, "token-life", time.Hour, "how long a token is good")
	flags.IntVar(&o.server.PageSize, "page-size", 1000, "CFS's default_page_size")
	flags.StringToStringVar(&o.serviceTimes, "service-time", nil, "how long requests take at least, such as "+
		"bos=20ms,cfs=5ms,kube=2ms")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	o.world.Only = o.stories
	if o.live {
		o.server.Batcher = simcfs.BatcherOptions{BatchWindow: 10, CheckInterval: 2}
	}
	o.server.ServiceTime = map[string]time.Duration{}
	for system, text := range o.serviceTimes {
		d, err := time.ParseDuration(text)
		if err != nil {
			return o, fmt.Errorf("--service-time %s: %w", system, err)
		}
		o.server.ServiceTime[system] = d
	}
	for _, text := range o.faults {
		f, err := lab.ParseFault(text)
		if err != nil {
			return o, err
		}
		o.server.Faults = append(o.server.Faults, f)
	}
	return o, nil
}

func run(ctx context.Context, args []string) error {
	o, err := parse(args)
	if errors.Is(err, pflag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	if o.listStories {
		names, err := lab.Stories(o.world.CSM)
		if err != nil {
			return err
		}
		open, err := lab.OpenStories(o.world.CSM)
		fmt.Println(strings.Join(append(names, open...), "\n"))
		return err
	}
	world, err := o.newWorld()
	if err != nil {
		return err
	}
	server, err := lab.Start(world, o.server)
	if err != nil {
		return err
	}
	if err := writeFile(o.truth, world.TruthDocument()); err != nil {
		return errors.Join(err, server.Close())
	}
	session := ""
	if o.live {
		session = startLife(server)
	}
	env := strings.Join(server.Env(), "\n") + "\n"
	if err := writeFile(o.env, []byte(env)); err != nil {
		return errors.Join(err, server.Close())
	}
	printAddresses(world, server, o.env, session)
	<-ctx.Done()
	return server.Close()
}

func (o options) newWorld() (*lab.World, error) {
	if o.bulk < 0 {
		return lab.NewWorld(o.world)
	}
	return lab.NewBulk(lab.BulkOptions{
		CSM: o.world.CSM, Seed: o.world.Seed, Sessions: o.world.Sessions, Garbage: o.bulk, Nodes: o.world.Nodes,
		Foreign: o.foreign, ForeignBytes: 1 << 10,
	})
}

// startLife makes the world live, and starts a session that takes long enough to cancel it. Without BOS v1 it starts
// none.
func startLife(server *lab.Server) (session string) {
	options := lab.Quick()
	options.Shutdown, options.Boot, options.Configure = 30*time.Second, time.Minute, 2*time.Minute
	options.BootWait, options.ConfigureWait, options.Terminate = 10*time.Minute, 30*time.Minute, 10*time.Second
	life := server.Live(options)
	if !server.World.Profile.BOSv1 {
		return ""
	}
	nodes := server.World.Nodes()
	return life.Start(lab.SessionSpec{
		Operation: "reboot", Template: "live", Configuration: "cos-config-2.5", Nodes: nodes[:(len(nodes)+1)/2],
	})
}

func printAddresses(world *lab.World, server *lab.Server, env, session string) {
	p := world.Profile
	fmt.Fprintf(os.Stderr, "CSM %s (BOS %s, Kubernetes %s), seed %d: %d objects to judge\n",
		p.CSM, p.BOS, p.Kubernetes, world.Options.Seed, len(world.Truth()))
	for _, system := range []string{"bos", "cfs", "gateway", "kube", "lab"} {
		fmt.Fprintf(os.Stderr, "  %-8s %s\n", system, server.URL(system))
	}
	fmt.Fprintf(os.Stderr, "  kubectl --kubeconfig %s get jobs,cm,pods -n %s\n", server.Kubeconfig(), lab.Namespace)
	if env != "" {
		fmt.Fprintf(os.Stderr, "  env $(cat %s) bosgc plan\n", env)
		if session != "" {
			fmt.Fprintf(os.Stderr, "  env $(cat %s) bosgc clean --cancel %s\n", env, session)
		}
	} else if session != "" {
		fmt.Fprintf(os.Stderr, "  session %s reboots nodes\n", session)
	}
	fmt.Fprintln(os.Stderr, "Running until interrupted.")
}

// writeFile writes a file atomically: a reader that waits for it never sees half of it.
func writeFile(path string, text []byte) error {
	if path == "" {
		return nil
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
