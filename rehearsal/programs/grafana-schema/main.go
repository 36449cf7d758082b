// Holds dashboards against the schema of Grafana's own SDK, strictly: unknown fields, wrong types, missing fields, unmet
// constraints and values that an enumeration does not have are each told with their path.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/grafana/grafana-foundation-sdk/go/bargauge"
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/statetimeline"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/text"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

func main() {
	enumsFile := flag.String("enums", "", "JSON file: `package.Type` to its allowed values, which the Go SDK does not check")
	flag.Parse()
	enums, err := readEnums(*enumsFile)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	registerPanels()
	files := flag.Args()
	if len(files) == 0 {
		files = []string{"-"}
	}
	failed := false
	for _, file := range files {
		faults := check(file, enums)
		for _, fault := range faults {
			fmt.Printf("%s: %s\n", file, fault)
		}
		failed = failed || len(faults) > 0
	}
	if failed {
		os.Exit(1)
	}
}

// Panels and queries of other types would be taken unseen, so panelFaults refuses them.
func registerPanels() {
	runtime := cog.NewRuntime()
	runtime.RegisterPanelcfgVariant(bargauge.VariantConfig())
	runtime.RegisterPanelcfgVariant(stat.VariantConfig())
	runtime.RegisterPanelcfgVariant(statetimeline.VariantConfig())
	runtime.RegisterPanelcfgVariant(table.VariantConfig())
	runtime.RegisterPanelcfgVariant(text.VariantConfig())
	runtime.RegisterPanelcfgVariant(timeseries.VariantConfig())
	runtime.RegisterDataqueryVariant(prometheus.VariantConfig())
}

func readEnums(file string) (map[string][]any, error) {
	enums := map[string][]any{}
	if file == "" {
		return enums, nil
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return enums, json.Unmarshal(raw, &enums)
}

func check(file string, enums map[string][]any) []string {
	raw, err := read(file)
	if err != nil {
		return []string{err.Error()}
	}
	var strict dashboard.Dashboard
	faults := lines("", strict.UnmarshalJSONStrict(raw))
	var rest struct {
		Panels []panel `json:"panels"`
	}
	if err := json.Unmarshal(raw, &rest); err != nil {
		return append(faults, err.Error())
	}
	faults = append(faults, panelFaults("", rest.Panels)...)
	if len(faults) > 0 {
		return faults
	}
	// What the strict way reads it does not keep, so constraints are looked at in a second, lenient one.
	var board dashboard.Dashboard
	if err := json.Unmarshal(raw, &board); err != nil {
		return lines("", err)
	}
	return append(lines("", board.Validate()), enumFaults(board, enums)...)
}

func read(file string) ([]byte, error) {
	if file == "-" {
		return io.ReadAll(os.Stdin)
	}
	return os.ReadFile(file)
}

func lines(where string, err error) []string {
	if err == nil {
		return nil
	}
	var several cog.BuildErrors
	if !errors.As(err, &several) {
		return []string{where + err.Error()}
	}
	faults := make([]string, 0, len(several))
	for _, one := range several {
		faults = append(faults, where+one.Error())
	}
	return faults
}
