package main

import (
	"fmt"
	"path"
	"reflect"
	"strconv"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// Enumerations are plain strings and numbers in Go, so any value is taken.
func enumFaults(board dashboard.Dashboard, enums map[string][]any) []string {
	var faults []string
	walk(reflect.ValueOf(board), "", enums, &faults)
	return faults
}

func walk(value reflect.Value, where string, enums map[string][]any, faults *[]string) {
	switch value.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !value.IsNil() {
			walk(value.Elem(), where, enums, faults)
		}
	case reflect.Slice:
		for i := range value.Len() {
			walk(value.Index(i), where+"["+strconv.Itoa(i)+"]", enums, faults)
		}
	case reflect.Map:
		for _, key := range value.MapKeys() {
			walk(value.MapIndex(key), join(where, fmt.Sprint(key)), enums, faults)
		}
	case reflect.Struct:
		for i := range value.NumField() {
			walk(value.Field(i), within(where, value.Type(), i), enums, faults)
		}
	default:
		allowed, listed := enums[path.Base(value.Type().PkgPath())+"."+value.Type().Name()]
		if listed && !has(allowed, value) {
			*faults = append(*faults, fmt.Sprintf("%s: must be one of %s, got %v", where, strings.Trim(fmt.Sprint(allowed), "[]"), value))
		}
	}
}

// Fields without a name of their own in JSON, such as the panel in "panel or row", add nothing to the path.
func within(where string, parent reflect.Type, field int) string {
	if parent.Name() == "PanelOrRowPanel" || parent.Field(field).Anonymous {
		return where
	}
	name, _, _ := strings.Cut(parent.Field(field).Tag.Get("json"), ",")
	return join(where, name)
}

func join(where, name string) string {
	if where == "" {
		return name
	}
	return where + "." + name
}

func has(allowed []any, value reflect.Value) bool {
	for _, one := range allowed {
		if fmt.Sprint(one) == fmt.Sprint(value.Interface()) {
			return true
		}
	}
	return false
}
