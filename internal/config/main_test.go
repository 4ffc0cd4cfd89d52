package config

import (
	"testing"

	"pen/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }
