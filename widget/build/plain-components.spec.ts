// @vitest-environment node
import { describe, expect, it } from 'vitest'
import { plain } from './plain-components'

const COMPILED = `
const _sfc_main = /* @__PURE__ */ _defineComponent({
  __name: "CallName",
  props: { name: {} },
  emits: ["open"],
  setup(__props, { emit: __emit }) {
    const props = __props;
    const emit = __emit;
    return () => _toDisplayString(t("call.name", { name: _toDisplayString(__props.name) })) + _toDisplayString(props.name) + emit("open");
  }
});
export default _sfc_main;`

describe('a compiled component', () => {
  const code = plain(COMPILED, 'CallName')

  it('is a plain object under its own name', () => {
    expect(code).toContain('const CallName = {')
    expect(code).toContain('export default CallName;')
    expect(code).not.toMatch(/__name|_defineComponent|_sfc_main/)
  })

  it('has props and emit under their names', () => {
    expect(code).toContain('setup(props, { emit })')
    expect(code).not.toMatch(/__props|__emit|const props|const emit/)
  })

  it('converts values to texts, but no texts', () => {
    expect(code).toContain('t("call.name", { name: _toDisplayString(props.name) }) + _toDisplayString(props.name)')
  })
})
