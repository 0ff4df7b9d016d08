//! `#[derive(Tree)]`: the type's *last* generic parameter is its leaf type; those before it are trees of such leaves.
//!
//! Fields marked `#[tree(skip)]` are structure: `map` clones them, and jit compares them by `PartialEq` when it looks for a
//! program.
use proc_macro::TokenStream;
use proc_macro2::TokenStream as Code;
use quote::{format_ident, quote, quote_spanned};
use syn::{Data, DeriveInput, Fields, GenericParam, Ident, ext::IdentExt, parse_macro_input, spanned::Spanned};

/// Implements `raxla::Tree<T>` for a struct or enum whose last generic parameter is the leaf type `T`. Parameters before it
/// stand for trees: `struct Average<M, T = Tensor> { count: T, mean: M }`.
#[proc_macro_derive(Tree, attributes(tree))]
pub fn derive_tree(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand(&input).unwrap_or_else(|e| e.to_compile_error()).into()
}

/// Is the field marked `#[tree(skip)]`?
fn skipped(field: &syn::Field) -> syn::Result<bool> {
    let mut skip = false;
    for a in field.attrs.iter().filter(|a| a.path().is_ident("tree")) {
        a.parse_nested_meta(|m| {
            skip = true;
            if m.path.is_ident("skip") { Ok(()) } else { Err(m.error("unknown option: only `#[tree(skip)]` exists")) }
        })?;
    }
    Ok(skip)
}

/// One match arm of each method for one variant (or the struct itself): (map, visit, structure).
fn arms(pattern: &Code, fields: &Fields, leaf: &Ident, variant: Option<&Ident>) -> syn::Result<[Code; 3]> {
    let (mut names, mut map, mut visit, mut note) = (vec![], vec![], vec![], vec![]);
    for (i, f) in fields.iter().enumerate() {
        let ty = &f.ty;
        let bound = format_ident!("field_{i}");
        let (label, path) = match &f.ident {
            Some(id) => (quote!(#id), {
                let key = id.unraw().to_string();
                quote!(&path.field(#key))
            }),
            None => {
                let index = syn::Index::from(i);
                // a newtype has no name to add: `Layers::List(vec)` is `layers.0`, not `layers.0.0`
                (quote!(#index), if fields.len() == 1 { quote!(path) } else { quote!(&path.index(#i)) })
            }
        };
        names.push(quote!(#label: #bound));
        // the compiler then complains about the field's type, once
        let at = proc_macro2::Span::call_site().located_at(ty.span());
        if skipped(f)? {
            map.push(quote!(#label: ::core::clone::Clone::clone(#bound)));
            note.push(quote_spanned!(at=> f(#path, "skipped field", #bound);));
        } else {
            let tree = quote_spanned!(at=> <#ty as ::raxla::Tree<#leaf>>);
            map.push(quote_spanned!(at=> #label: #tree::map_at(#bound, #path, f)));
            visit.push(quote_spanned!(at=> #tree::visit_at(#bound, #path, f);));
            note.push(quote_spanned!(at=> #tree::structure_at(#bound, #path, f);));
        }
    }
    let tag = variant.map(|v| {
        let v = v.unraw().to_string();
        quote!(f(path, "variant", &#v);)
    });
    Ok([
        quote!(#pattern { #(#names),* } => #pattern { #(#map),* },),
        quote!(#pattern { #(#names),* } => { #(#visit)* }),
        quote!(#pattern { #(#names),* } => { #tag #(#note)* }),
    ])
}

fn expand(input: &DeriveInput) -> syn::Result<Code> {
    let name = &input.ident;
    let mut trees = vec![];
    for p in &input.generics.params {
        match p {
            GenericParam::Type(t) => trees.push(t.ident.clone()),
            other => {
                let help = "#[derive(Tree)] takes type parameters only: trees, and last the leaf type";
                return Err(syn::Error::new(other.span(), help));
            }
        }
    }
    let Some(leaf) = trees.pop() else {
        let help = "#[derive(Tree)] needs a leaf type parameter: `struct Foo<T = Tensor> { w: T }`";
        return Err(syn::Error::new(name.span(), help));
    };
    let mut all: [Vec<Code>; 3] = Default::default();
    let mut push = |arms: [Code; 3]| all.iter_mut().zip(arms).for_each(|(v, a)| v.push(a));
    match &input.data {
        Data::Struct(s) => push(arms(&quote!(#name), &s.fields, &leaf, None)?),
        Data::Enum(e) => {
            for v in &e.variants {
                let id = &v.ident;
                push(arms(&quote!(#name::#id), &v.fields, &leaf, Some(id))?);
            }
        }
        Data::Union(_) => {
            return Err(syn::Error::new(
                name.span(),
                "#[derive(Tree)] works on structs and enums: which field of a union is valid is not known",
            ));
        }
    }
    let [map, visit, note] = all;
    Ok(quote! {
        #[allow(unused_variables)]
        impl<#(#trees: ::raxla::Tree<#leaf>,)* #leaf: ::raxla::Leaf> ::raxla::Tree<#leaf> for #name<#(#trees,)* #leaf> {
            type With<__U: ::raxla::Leaf> = #name<#(#trees::With<__U>,)* __U>;
            fn map_at<__U: ::raxla::Leaf>(
                &self,
                path: &::raxla::Path,
                f: &mut dyn FnMut(&::raxla::Path, &#leaf) -> __U,
            ) -> Self::With<__U> {
                match self { #(#map)* }
            }
            fn visit_at<'__a>(
                &'__a self,
                path: &::raxla::Path,
                f: &mut dyn FnMut(&::raxla::Path, &'__a #leaf),
            ) {
                match self { #(#visit)* }
            }
            fn structure_at(&self, path: &::raxla::Path, f: &mut ::raxla::tree::StaticVisitor) {
                match self { #(#note)* }
            }
        }
    })
}
