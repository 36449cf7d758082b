package main

import (
	"encoding/json"
	"fmt"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
)

// What the SDK passes over in a panel even where it is asked to be strict.
type panel struct {
	Type        string          `json:"type"`
	FieldConfig json.RawMessage `json:"fieldConfig"`
	Targets     []struct {
		Datasource struct {
			Type string `json:"type"`
		} `json:"datasource"`
	} `json:"targets"`
	// Of a row.
	Panels []panel `json:"panels"`
}

func panelFaults(within string, panels []panel) []string {
	var faults []string
	for i, one := range panels {
		where := fmt.Sprintf("%spanels[%d].", within, i)
		if one.Type == "row" {
			faults = append(faults, panelFaults(where, one.Panels)...)
			continue
		}
		if _, known := cog.ConfigForPanelcfgVariant(one.Type); !known {
			faults = append(faults, fmt.Sprintf("%stype: panels of type %q are not checked by this program", where, one.Type))
		}
		// The type is looked for in each query, whatever the panel has.
		for j, target := range one.Targets {
			if target.Datasource.Type != prometheus.VariantConfig().Identifier {
				faults = append(faults, fmt.Sprintf("%stargets[%d].datasource.type: must be prometheus, got %q", where, j, target.Datasource.Type))
			}
		}
		var config dashboard.FieldConfigSource
		faults = append(faults, lines(where+"fieldConfig.", config.UnmarshalJSONStrict(one.FieldConfig))...)
	}
	return faults
}
