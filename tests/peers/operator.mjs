// Is a manifest what the Prometheus operator takes? JSON on standard input; faults, a line each, on standard output.
//
// The operator's types (@kubernetes-models/prometheus-operator, made of its Go sources) say what is wrong with what they
// know, and let pass what they do not. So what they look at is noted: a field that nobody looked at is not known.
import { readFileSync } from 'node:fs'

const manifest = JSON.parse(readFileSync(0, 'utf8'))
const types = './node_modules/@kubernetes-models/prometheus-operator/_schemas'
const type = `ComGithubPrometheusOperatorPrometheusOperatorPkgApisMonitoringV1${manifest.kind}`
const { validate } = await import(`${types}/${type}.js`)

const looked = new Set()
const isLeaf = (value) => value === null || typeof value !== 'object'

const watched = (value, place) => isLeaf(value) ? value : new Proxy(value, {
  get(target, name) {
    if (!Object.hasOwn(target, name)) return target[name]
    looked.add(`${place}/${name}`)
    return watched(target[name], `${place}/${name}`)
  },
})

const unknown = (value, place) => isLeaf(value) ? [] : Object.entries(value).flatMap(([name, inner]) =>
  looked.has(`${place}/${name}`) ? unknown(inner, `${place}/${name}`) : [`${place}/${name} is not known`])

validate(watched(manifest, ''))
for (const { instancePath, params } of validate.errors ?? []) console.log(`${instancePath} ${JSON.stringify(params)}`)
for (const fault of unknown(manifest, '')) console.log(fault)
