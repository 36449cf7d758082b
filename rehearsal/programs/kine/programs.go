//go:build programs

// Package programs names what is built from this module.
package programs

import _ "github.com/k3s-io/kine"
