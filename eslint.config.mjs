import tseslint from "typescript-eslint"

export default tseslint.config(
  { ignores: ["dist/**", "build/**", "node_modules/**", ".cache/**", "coverage/**"] },
  {
    files: ["**/*.ts"],
    extends: [...tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
      // Interfaces that only carry a name, namespaces of type ids and `this`-free class members are idiomatic in Effect code.
      "@typescript-eslint/no-empty-object-type": "off",
      "@typescript-eslint/no-namespace": "off",
      "@typescript-eslint/unbound-method": "off",
      // a Position's text is made for it
      "@typescript-eslint/restrict-template-expressions": [
        "error",
        { allowNumber: true, allow: [{ from: "file", name: "Position" }] }
      ],
      "require-yield": "off"
    }
  },
  {
    files: ["src/**/*.ts"],
    rules: {
      "no-console": "error",
      "no-restricted-properties": [
        "error",
        { object: "Date", property: "now", message: "Time comes from Effect's Clock." },
        { object: "Effect", property: "promise", message: "Use Effect.tryPromise with a typed error." }
      ]
    }
  },
  {
    files: ["src/**/*.ts"],
    ignores: ["src/internal/kafkajs/**"],
    rules: {
      "no-restricted-imports": [
        "error",
        { patterns: [{ regex: "^kafkajs(/|$)", message: "Only src/internal/kafkajs talks to kafkajs." }] }
      ]
    }
  }
)
