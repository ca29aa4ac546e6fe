"""From energy to environmental impact: emission factors, uncertainty, making of equipment, hosted models, change."""
