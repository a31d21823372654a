// ResourcePolicy as a Go controller declares it: the whole spec, typed, since that is what a real one decodes; of the
// status only what the rival writes. The deep copies do what controller-gen would generate: the cache hands out copies.
//
// SPDX-License-Identifier: Apache-2.0
package main

import (
	"maps"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

type Selector struct {
	Providers []string          `json:"providers"`
	Kinds     []string          `json:"kinds,omitempty"`
	Tags      map[string]string `json:"tags,omitempty"`
}

// Window is an SLA's slot, with a weight, or a window of disruption, without.
type Window struct {
	Schedule string `json:"schedule"`
	Duration string `json:"duration"`
	TimeZone string `json:"timeZone,omitempty"`
	Weight   int64  `json:"weight,omitempty"`
}

type SLA struct {
	TargetUtilization    *int64   `json:"targetUtilization,omitempty"`
	MaxViolationPerMille *int64   `json:"maxViolationPerMille,omitempty"`
	LeadTime             string   `json:"leadTime,omitempty"`
	Slots                []Window `json:"slots,omitempty"`
}

type Capacity struct {
	Min *int64 `json:"min,omitempty"`
	Max *int64 `json:"max,omitempty"`
}

type Forecast struct {
	Metric  string `json:"metric,omitempty"`
	History string `json:"history,omitempty"`
	Horizon string `json:"horizon,omitempty"`
}

type Target struct {
	Provider string   `json:"provider"`
	Region   string   `json:"region"`
	Template string   `json:"template,omitempty"`
	Purchase []string `json:"purchase,omitempty"`
}

type InstanceTypes struct {
	Architectures []string `json:"architectures,omitempty"`
	VCPU          string   `json:"vcpu,omitempty"`
	Exclude       []string `json:"exclude,omitempty"`
}

type Data struct {
	From     string `json:"from"`
	SizeHint string `json:"sizeHint,omitempty"`
	Sync     string `json:"sync,omitempty"`
}

type Placement struct {
	Targets       []Target       `json:"targets,omitempty"`
	InstanceTypes *InstanceTypes `json:"instanceTypes,omitempty"`
	Data          []Data         `json:"data,omitempty"`
}

type Disruption struct {
	Windows          []Window `json:"windows,omitempty"`
	MaxConcurrent    *int64   `json:"maxConcurrent,omitempty"`
	MaxChangePercent *int64   `json:"maxChangePercent,omitempty"`
	Cooldown         string   `json:"cooldown,omitempty"`
	MinSavingPercent *int64   `json:"minSavingPercent,omitempty"`
}

type ResourcePolicySpec struct {
	Selector   Selector   `json:"selector"`
	Mode       string     `json:"mode,omitempty"`
	Actions    []string   `json:"actions,omitempty"`
	SLA        SLA        `json:"sla,omitempty"`
	Capacity   Capacity   `json:"capacity,omitempty"`
	Forecast   Forecast   `json:"forecast,omitempty"`
	Placement  *Placement `json:"placement,omitempty"`
	Disruption Disruption `json:"disruption,omitempty"`
	Suspend    bool       `json:"suspend,omitempty"`
}

type ResourcePolicyStatus struct {
	ObservedGeneration int64              `json:"observedGeneration,omitempty"`
	Conditions         []metav1.Condition `json:"conditions,omitempty"`
}

type ResourcePolicy struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`
	Spec              ResourcePolicySpec   `json:"spec,omitempty"`
	Status            ResourcePolicyStatus `json:"status,omitempty"`
}

type ResourcePolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ResourcePolicy `json:"items"`
}

func clone[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}

func (p *Placement) DeepCopy() *Placement {
	o := clone(p)
	if o == nil {
		return nil
	}
	o.Targets = slices.Clone(p.Targets)
	for i := range o.Targets {
		o.Targets[i].Purchase = slices.Clone(p.Targets[i].Purchase)
	}
	if o.InstanceTypes = clone(p.InstanceTypes); o.InstanceTypes != nil {
		o.InstanceTypes.Architectures = slices.Clone(p.InstanceTypes.Architectures)
		o.InstanceTypes.Exclude = slices.Clone(p.InstanceTypes.Exclude)
	}
	o.Data = slices.Clone(p.Data)
	return o
}

func (s *ResourcePolicySpec) DeepCopyInto(o *ResourcePolicySpec) {
	*o = *s
	o.Selector.Providers = slices.Clone(s.Selector.Providers)
	o.Selector.Kinds = slices.Clone(s.Selector.Kinds)
	o.Selector.Tags = maps.Clone(s.Selector.Tags)
	o.Actions = slices.Clone(s.Actions)
	o.SLA.TargetUtilization = clone(s.SLA.TargetUtilization)
	o.SLA.MaxViolationPerMille = clone(s.SLA.MaxViolationPerMille)
	o.SLA.Slots = slices.Clone(s.SLA.Slots)
	o.Capacity.Min = clone(s.Capacity.Min)
	o.Capacity.Max = clone(s.Capacity.Max)
	o.Placement = s.Placement.DeepCopy()
	o.Disruption.Windows = slices.Clone(s.Disruption.Windows)
	o.Disruption.MaxConcurrent = clone(s.Disruption.MaxConcurrent)
	o.Disruption.MaxChangePercent = clone(s.Disruption.MaxChangePercent)
	o.Disruption.MinSavingPercent = clone(s.Disruption.MinSavingPercent)
}

func (p *ResourcePolicy) DeepCopyInto(o *ResourcePolicy) {
	*o = *p
	p.ObjectMeta.DeepCopyInto(&o.ObjectMeta)
	p.Spec.DeepCopyInto(&o.Spec)
	o.Status.Conditions = slices.Clone(p.Status.Conditions)
}

func (p *ResourcePolicy) DeepCopyObject() runtime.Object {
	o := &ResourcePolicy{}
	p.DeepCopyInto(o)
	return o
}

func (l *ResourcePolicyList) DeepCopyObject() runtime.Object {
	o := &ResourcePolicyList{TypeMeta: l.TypeMeta, Items: make([]ResourcePolicy, len(l.Items))}
	l.ListMeta.DeepCopyInto(&o.ListMeta)
	for i := range l.Items {
		l.Items[i].DeepCopyInto(&o.Items[i])
	}
	return o
}
