package main

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"sort"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes/scheme"
)

// Field codes: "z" dropped when zero; "q" quantity; "qz"; "*q"; object T -> {"t":n}; 
type table map[string]string

var types []table
var byType = map[reflect.Type]int{}
var names []string

var opaque = map[reflect.Type]bool{
	reflect.TypeOf(metav1.Time{}): true, reflect.TypeOf(metav1.MicroTime{}): true, reflect.TypeOf(intstr.IntOrString{}): true,
	reflect.TypeOf(runtime.RawExtension{}): true, reflect.TypeOf(metav1.FieldsV1{}): true, reflect.TypeOf(metav1.Duration{}): true,
	reflect.TypeOf(metav1.ManagedFieldsEntry{}): true, reflect.TypeOf(metav1.OwnerReference{}): false,
}
var quantity = reflect.TypeOf(resource.Quantity{})

func visit(t reflect.Type) int {
	if i, ok := byType[t]; ok {
		return i
	}
	i := len(types)
	byType[t] = i
	types = append(types, nil)
	names = append(names, t.String())
	tb := table{}
	fields(t, tb)
	types[i] = tb
	return i
}

func fields(t reflect.Type, tb table) {
	for k := 0; k < t.NumField(); k++ {
		f := t.Field(k)
		tag := f.Tag.Get("json")
		parts := strings.Split(tag, ",")
		name := parts[0]
		if name == "-" {
			continue
		}
		inline := false
		drop := false
		for _, p := range parts[1:] {
			if p == "inline" {
				inline = true
			}
			if p == "omitempty" || p == "omitzero" {
				drop = true
			}
		}
		if inline || (f.Anonymous && name == "") {
			fields(f.Type, tb)
			continue
		}
		if name == "" || name == "status" && t.NumField() > 2 && isObject(t) {
			continue
		}
		code := codeOf(f.Type, drop)
		if code != "" {
			tb[name] = code
		}
	}
}

func isObject(t reflect.Type) bool {
	_, ok := reflect.New(t).Interface().(runtime.Object)
	return ok
}

func scalar(k reflect.Kind) bool {
	switch k {
	case reflect.Bool, reflect.String, reflect.Int, reflect.Int32, reflect.Int64, reflect.Float64, reflect.Uint8:
		return true
	}
	return false
}

func codeOf(t reflect.Type, drop bool) string {
	z := ""
	if drop {
		z = "z"
	}
	switch {
	case t == quantity:
		return "q"
	case opaque[t]:
		return ""
	case t.Kind() == reflect.Ptr:
		return codeOf(t.Elem(), false)
	case scalar(t.Kind()):
		return z
	case t.Kind() == reflect.Struct:
		return fmt.Sprintf("%d", visit(t))
	case t.Kind() == reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return z
		}
		return "[" + codeOf(t.Elem(), false) + "]" + z
	case t.Kind() == reflect.Map:
		return "{" + codeOf(t.Elem(), false) + "}" + z
	}
	return ""
}

func main() {
	kinds := map[string]int{}
	all := scheme.Scheme.AllKnownTypes()
	var gvks []string
	idx := map[string]reflect.Type{}
	for gvk, t := range all {
		if gvk.Version == "__internal" || strings.HasSuffix(gvk.Kind, "List") || strings.HasSuffix(gvk.Kind, "Options") || gvk.Kind == "WatchEvent" {
			continue
		}
		if strings.Contains(gvk.Version, "alpha") || gvk.Group == "extensions" || (strings.Contains(gvk.Version, "beta") ) {
			continue
		}
		api := gvk.Version
		if gvk.Group != "" {
			api = gvk.Group + "/" + gvk.Version
		}
		if _, ok := reflect.New(t).Interface().(metav1.Object); !ok {
			continue
		}
		s := api + "/" + gvk.Kind
		gvks = append(gvks, s)
		idx[s] = t
	}
	sort.Strings(gvks)
	for _, s := range gvks {
		kinds[s] = visit(idx[s])
	}
	// Merge types whose tables are equal, until nothing changes; drop references to empty ones.
	out := map[string]any{}
	final := map[int]int{}
	for i := range types {
		final[i] = i
	}
	for {
		seen := map[string]int{}
		changed := false
		for i := range types {
			if final[i] != i {
				continue
			}
			tb := table{}
			for k, v := range types[i] {
				if c := rewrite(v, final); c != "" {
					tb[k] = c
				}
			}
			types[i] = tb
			b, _ := json.Marshal(tb)
			if string(b) == "{}" {
				if final[i] != -1 {
					final[i] = -1
					changed = true
				}
				continue
			}
			if j, ok := seen[string(b)]; ok {
				final[i] = j
				changed = true
				continue
			}
			seen[string(b)] = i
		}
		if !changed {
			break
		}
	}
	// Number those that are left.
	number := map[int]int{-1: -1}
	var list []table
	for i := range types {
		if final[i] == i {
			number[i] = len(list)
			list = append(list, types[i])
		}
	}
	for _, tb := range list {
		for k, v := range tb {
			tb[k] = renumber(v, number)
		}
	}
	ks := map[string]int{}
	for k, v := range kinds {
		r := v
		for final[r] != r && final[r] != -1 {
			r = final[r]
		}
		if final[r] == -1 {
			ks[k] = -1
		} else {
			ks[k] = number[r]
		}
	}
	out["kinds"] = ks
	out["types"] = list
	e := json.NewEncoder(os.Stdout)
	e.Encode(out)
	fmt.Fprintln(os.Stderr, len(types), len(list), len(ks))
}

func digits(v string, f func(int) string) string {
	var b, num strings.Builder
	flush := func() {
		if num.Len() > 0 {
			n := 0
			fmt.Sscanf(num.String(), "%d", &n)
			b.WriteString(f(n))
			num.Reset()
		}
	}
	for _, r := range v {
		if r >= '0' && r <= '9' {
			num.WriteRune(r)
		} else {
			flush()
			b.WriteRune(r)
		}
	}
	flush()
	return b.String()
}

func rewrite(v string, final map[int]int) string {
	s := digits(v, func(n int) string {
		for final[n] != n {
			if final[n] == -1 {
				return ""
			}
			n = final[n]
		}
		return fmt.Sprint(n)
	})
	if s == "[]" || s == "{}" {
		return ""
	}
	if s == "[]z" || s == "{}z" {
		return "z"
	}
	return s
}

func renumber(v string, number map[int]int) string {
	return digits(v, func(n int) string { return fmt.Sprint(number[n]) })
}
