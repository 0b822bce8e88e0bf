// Package house checks what the linter cannot: files depend on each other in one direction only, no package is larger
// than a head can hold, and documents use plain words.
package house

import (
	"bytes"
	"fmt"
	"go/types"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/go/packages"
)

const (
	root = "../.."
	// mostLines is how many lines a package may have, tests aside. The lab is not in the product.
	mostLines = 2000
	// mostLinesOfGC is less: it is the only package that deletes a judged object.
	mostLinesOfGC = 1600
	// mostLinesOfPolicy is more until the words that verdicts are made of have a package of their own.
	mostLinesOfPolicy = 2470
)

// TestFilesDependInOneDirection checks the packages whose files docs/architecture.md draws.
func TestFilesDependInOneDirection(t *testing.T) {
	config := &packages.Config{
		Dir: root,
		Mode: packages.NeedName | packages.NeedFiles | packages.NeedSyntax | packages.NeedTypes | packages.NeedTypesInfo |
			packages.NeedImports | packages.NeedDeps | packages.NeedExportFile,
	}
	loaded, err := packages.Load(config, "./gc", "./internal/collect")
	if err != nil || len(loaded) != 2 {
		t.Fatalf("%d packages, %v", len(loaded), err)
	}
	for _, p := range loaded {
		if len(p.Errors) > 0 {
			t.Fatal(p.Errors)
		}
		arrows := fileArrows(p)
		if len(arrows) < 5 {
			t.Errorf("%s: only %d files use others; nothing was checked", p.PkgPath, len(arrows))
		}
		if cycle := findCycle(arrows); cycle != nil {
			t.Errorf("%s: files depend on each other in a circle: %s", p.PkgPath, strings.Join(cycle, " -> "))
			for i := range len(cycle) - 1 {
				t.Logf("%s uses of %s: %s", cycle[i], cycle[i+1], strings.Join(arrows[cycle[i]][cycle[i+1]], ", "))
			}
		}
		t.Logf("%s\n%s", p.PkgPath, draw(arrows))
	}
}

// fileArrows returns, for each file, what it uses of other files of its package.
func fileArrows(p *packages.Package) map[string]map[string][]string {
	arrows := map[string]map[string][]string{}
	fileOf := func(o types.Object) string { return filepath.Base(p.Fset.Position(o.Pos()).Filename) }
	for ident, object := range p.TypesInfo.Uses {
		if object.Pkg() != p.Types || !object.Pos().IsValid() {
			continue
		}
		from, to := filepath.Base(p.Fset.Position(ident.Pos()).Filename), fileOf(object)
		// What is local to a function is used in its own file only.
		if from == to {
			continue
		}
		if arrows[from] == nil {
			arrows[from] = map[string][]string{}
		}
		if !slices.Contains(arrows[from][to], object.Name()) {
			arrows[from][to] = append(arrows[from][to], object.Name())
		}
	}
	return arrows
}

// findCycle returns files that depend on each other in a circle, the first one again at the end; nil if there are none.
func findCycle(arrows map[string]map[string][]string) []string {
	done, path := map[string]bool{}, []string{}
	var visit func(string) []string
	visit = func(file string) []string {
		if i := slices.Index(path, file); i >= 0 {
			return append(slices.Clone(path[i:]), file)
		}
		if done[file] {
			return nil
		}
		path = append(path, file)
		for _, next := range slices.Sorted(maps.Keys(arrows[file])) {
			if cycle := visit(next); cycle != nil {
				return cycle
			}
		}
		path, done[file] = path[:len(path)-1], true
		return nil
	}
	for _, file := range slices.Sorted(maps.Keys(arrows)) {
		if cycle := visit(file); cycle != nil {
			return cycle
		}
	}
	return nil
}

func draw(arrows map[string]map[string][]string) string {
	var b strings.Builder
	for _, file := range slices.Sorted(maps.Keys(arrows)) {
		fmt.Fprintf(&b, "%s -> %s\n", file, strings.Join(slices.Sorted(maps.Keys(arrows[file])), ", "))
	}
	return b.String()
}

func TestACircleIsFound(t *testing.T) {
	arrows := map[string]map[string][]string{"a": {"b": nil}, "b": {"c": nil, "d": nil}, "d": {"b": nil}}
	if cycle := findCycle(arrows); !slices.Equal(cycle, []string{"b", "d", "b"}) {
		t.Errorf("found %v", cycle)
	}
	delete(arrows, "d")
	if cycle := findCycle(arrows); cycle != nil {
		t.Errorf("found %v where there is none", cycle)
	}
}

func TestPackagesAreSmall(t *testing.T) {
	lines := map[string]int{}
	for _, top := range []string{"gc", "policy", "internal"} {
		err := filepath.WalkDir(filepath.Join(root, top), func(path string, entry os.DirEntry, err error) error {
			if err != nil || entry.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			folder, _ := filepath.Rel(root, filepath.Dir(path))
			lines[folder] += bytes.Count(text, []byte("\n"))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(lines) < 20 {
		t.Fatalf("only %d packages were found", len(lines))
	}
	for folder, n := range lines {
		most := mostLines
		switch folder {
		case "gc":
			most = mostLinesOfGC
		case "policy":
			most = mostLinesOfPolicy
		}
		if !strings.HasPrefix(folder, "internal/lab") && n > most {
			t.Errorf("%s has %d lines; expected no more than %d", folder, n, most)
		}
	}
}
