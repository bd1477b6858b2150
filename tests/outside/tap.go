// Package tap prints the results of tests as the Test Anything Protocol wants them: what the programs use of it.
package tap

import (
	"encoding/json"
	"fmt"
	"strings"
)

type T struct {
	count int
	todo  bool
}

func New() *T { return &T{} }

func (t *T) Header(count int) {
	fmt.Println("TAP version 13")
	if count > 0 {
		fmt.Printf("1..%d\n", count)
	}
}

func (t *T) Ok(good bool, what string) {
	t.count++
	word := "ok"
	if !good {
		word = "not ok"
	}
	fmt.Printf("%s %d - %s\n", word, t.count, what)
}

func (t *T) Pass(what string) { t.Ok(true, what) }

func (t *T) Fail(what string) { t.Ok(false, what) }

func (t *T) Skip(count int, why string) {
	for ; count > 0; count-- {
		t.Ok(true, "# SKIP "+why)
	}
}

func (t *T) AutoPlan() { fmt.Printf("1..%d\n", t.count) }

func (t *T) Diagnostic(what string) { fmt.Println("# " + strings.ReplaceAll(what, "\n", "\n# ")) }

func (t *T) Diagnosticf(format string, a ...interface{}) { t.Diagnostic(fmt.Sprintf(format, a...)) }

func (t *T) YAML(what interface{}) error {
	said, err := json.MarshalIndent(what, "", " ")
	t.Diagnostic(string(said))
	return err
}

// Todo tells of a test that may fail: it is not counted twice.
func (t *T) Todo() *T { return &T{t.count, true} }
